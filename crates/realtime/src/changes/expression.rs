//! Expressions as Postgres prints them, cut into tokens.

use std::ops::Range;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A word in small letters, with dots between its parts.
    Word(String),
    /// A name in quotes.
    Name(String),
    Text(String),
    Number(String),
    Open,
    Close,
    /// `::`, a comma, brackets, an operator.
    Sign(String),
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// Where it stands.
    pub(super) at: Range<usize>,
}

/// Cuts an expression into its tokens; none if it has something that we do not know.
pub(super) fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((start, letter)) = rest.next() {
        let mut take_while = |fits: fn(char) -> bool| {
            let mut end = start + letter.len_utf8();
            while let Some((at, next)) = rest.next_if(|(_, next)| fits(*next)) {
                end = at + next.len_utf8();
            }
            end
        };
        let (kind, end) = match letter {
            letter if letter.is_ascii_whitespace() => continue,
            '(' => (TokenKind::Open, start + 1),
            ')' => (TokenKind::Close, start + 1),
            ',' | '[' | ']' => (TokenKind::Sign(letter.to_string()), start + 1),
            '\'' | '"' => {
                let mut value = String::new();
                let end = loop {
                    let (at, next) = rest.next()?;
                    if next != letter {
                        value.push(next);
                    } else if rest.next_if(|(_, next)| *next == letter).is_some() {
                        value.push(letter);
                    } else {
                        break at + 1;
                    }
                };
                (if letter == '"' { TokenKind::Name(value) } else { TokenKind::Text(value) }, end)
            }
            letter if letter.is_ascii_digit() => {
                let end = take_while(|next| next.is_ascii_digit());
                (TokenKind::Number(text.get(start..end)?.to_owned()), end)
            }
            letter if letter.is_alphabetic() || letter == '_' => {
                let end = take_while(|next| next.is_alphanumeric() || matches!(next, '_' | '$' | '.'));
                (TokenKind::Word(text.get(start..end)?.to_lowercase()), end)
            }
            letter if ":<>=!-+*/#~@|&^%?".contains(letter) => {
                let end = take_while(|next| ":<>=!-+*/#~@|&^%?".contains(next));
                (TokenKind::Sign(text.get(start..end)?.to_owned()), end)
            }
            _ => return None,
        };
        // `E'…'` has escapes of its own, and `"a"."b"` is no word.
        let touches = tokens.last().is_some_and(|last| last.at.end == start);
        let is_odd = match (&kind, tokens.last().map(|last| &last.kind)) {
            (TokenKind::Text(_) | TokenKind::Name(_), Some(TokenKind::Word(_) | TokenKind::Name(_))) => {
                touches
            }
            _ => false,
        };
        if is_odd {
            return None;
        }
        tokens.push(Token { kind, at: start..end });
    }
    Some(tokens)
}

pub(super) fn is_word(token: &Token, word: &str) -> bool {
    matches!(&token.kind, TokenKind::Word(found) if found == word)
}

pub(super) fn is_sign(token: &Token, sign: &str) -> bool {
    matches!(&token.kind, TokenKind::Sign(found) if found == sign)
}

/// The tokens between the parentheses, if these are all around.
pub(super) fn inner(tokens: &[Token]) -> Option<&[Token]> {
    let [first, middle @ .., last] = tokens else { return None };
    if first.kind != TokenKind::Open || last.kind != TokenKind::Close {
        return None;
    }
    let mut depth = 0_usize;
    for token in middle {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    Some(middle)
}

/// Splits where a token outside of all parentheses fits.
pub(super) fn split(tokens: &[Token], fits: impl Fn(&Token) -> bool) -> Vec<&[Token]> {
    let mut depth = 0_usize;
    let parts = tokens.split(|token| {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && fits(token)
    });
    parts.collect()
}
