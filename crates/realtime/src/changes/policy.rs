//! Policies that can be judged without the database.
//!
//! Most policies compare a column with a claim: `auth.uid() = owner`. Asked of the database, such a question
//! costs a statement for each receiver of each change. So the conditions, as Postgres prints them, are read
//! here, and what is certain is judged on the row as it was committed: equality and null of columns whose
//! texts are equal when their values are, of constants, and of expressions about claims alone, whose value
//! the database says once for each caller. Anything else is unsure, and the database is asked.

use std::collections::HashSet;
use std::ops::Range;

use super::kind::{Kind, Types};
use crate::store::table::{Column, Table};

/// What is known of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    True,
    False,
    Null,
    Unsure,
}

impl Truth {
    fn and(all: impl Iterator<Item = Self>) -> Self {
        all.fold(Self::True, |sum, truth| match (sum, truth) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::Unsure, _) | (_, Self::Unsure) => Self::Unsure,
            (Self::Null, _) | (_, Self::Null) => Self::Null,
            _ => Self::True,
        })
    }

    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            other => other,
        }
    }

    fn or(all: impl Iterator<Item = Self>) -> Self {
        Self::and(all.map(Self::not)).not()
    }

    fn of(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Const(bool),
    /// A column that is true or false.
    Flag(usize),
    IsNull(Operand),
    /// The first is one of the others.
    Among(Operand, Vec<Operand>),
    Unsure,
}

/// Something that has a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    /// By its place among the columns of the table.
    Column(usize),
    /// An expression about claims, by its place among those of all conditions of the table.
    Claim(usize),
    Text(String),
}

/// A value that a condition asks for.
pub(super) enum Value<'a> {
    Text(&'a str),
    Null,
    /// It was not sent.
    Unknown,
}

/// Where a condition finds its values.
pub(super) trait Values {
    fn column(&self, index: usize) -> Value<'_>;
    fn claim(&self, index: usize) -> Value<'_>;
}

impl Condition {
    /// Judges a row.
    pub(super) fn judge(&self, values: &impl Values) -> Truth {
        let text = |operand: &Operand| -> Result<Option<String>, Truth> {
            let value = match operand {
                Operand::Column(index) => values.column(*index),
                Operand::Claim(index) => values.claim(*index),
                Operand::Text(text) => Value::Text(text),
            };
            match value {
                Value::Text(text) => Ok(Some(text.to_owned())),
                Value::Null => Ok(None),
                Value::Unknown => Err(Truth::Unsure),
            }
        };
        match self {
            Self::And(all) => Truth::and(all.iter().map(|condition| condition.judge(values))),
            Self::Or(all) => Truth::or(all.iter().map(|condition| condition.judge(values))),
            Self::Not(condition) => condition.judge(values).not(),
            Self::Const(truth) => Truth::of(*truth),
            Self::Flag(index) => match values.column(*index) {
                Value::Text(text) => Truth::of(text == "t"),
                Value::Null => Truth::Null,
                Value::Unknown => Truth::Unsure,
            },
            Self::IsNull(operand) => match text(operand) {
                Ok(text) => Truth::of(text.is_none()),
                Err(truth) => truth,
            },
            Self::Among(operand, others) => match text(operand) {
                Ok(None) => Truth::Null,
                Ok(Some(value)) => Truth::or(others.iter().map(|other| match text(other) {
                    Ok(Some(other)) => Truth::of(other == value),
                    Ok(None) => Truth::Null,
                    Err(truth) => truth,
                })),
                Err(truth) => truth,
            },
            Self::Unsure => Truth::Unsure,
        }
    }
}

/// The conditions of all policies of a table.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// In the order of the policies; none where there is no condition.
    pub(super) of_policies: Vec<Option<Condition>>,
    /// The expressions about claims that they ask for, as SQL.
    pub(super) claims: Vec<String>,
}

impl Conditions {
    /// Reads the policies of a table; `pure` names the functions that depend on claims alone.
    pub(super) fn read(table: &Table, types: &Types, pure: &HashSet<String>) -> Self {
        let mut claims = Vec::new();
        let of_policies = table.policies.iter().map(|policy| {
            let text = policy.using.as_deref()?;
            let Some(tokens) = tokens(text) else { return Some(Condition::Unsure) };
            let mut reader = Reader { text, table, types, pure, claims: &mut claims };
            Some(reader.condition(&tokens))
        });
        let of_policies = of_policies.collect();
        Self { of_policies, claims }
    }

    /// Whether who is bound by the policies with these places sees a row.
    pub(super) fn judge(&self, table: &Table, policies: &[usize], values: &impl Values) -> Truth {
        let judge = |is_permissive: bool| {
            let chosen = policies.iter().filter(move |index| {
                table.policies.get(**index).is_some_and(|policy| policy.is_permissive == is_permissive)
            });
            chosen.filter_map(|index| Some(self.of_policies.get(*index)?.as_ref()?.judge(values)))
        };
        // Without a permissive policy nothing is seen.
        Truth::and([Truth::or(judge(true)), Truth::and(judge(false))].into_iter())
    }
}

/// Whether the body of a function says that it depends on claims alone.
pub(super) fn is_pure(body: &str) -> bool {
    let Some(tokens) = tokens(body.trim().trim_end_matches(';')) else { return false };
    tokens.iter().all(|token| match &token.kind {
        TokenKind::Word(word) => {
            matches!(&**word, "select" | "as") || is_about_claims(word) && !word.contains('.')
        }
        TokenKind::Name(_) => false,
        _ => true,
    })
}

/// Words that an expression about claims may have, the functions of `auth` aside.
fn is_about_claims(word: &str) -> bool {
    matches!(
        word,
        "coalesce"
            | "nullif"
            | "current_setting"
            | "true"
            | "text"
            | "uuid"
            | "json"
            | "jsonb"
            | "integer"
            | "bigint"
            | "character"
            | "varying"
    )
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TokenKind {
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
struct Token {
    kind: TokenKind,
    /// Where it stands.
    at: Range<usize>,
}

/// Cuts an expression into its tokens; none if it has something that we do not know.
fn tokens(text: &str) -> Option<Vec<Token>> {
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

struct Reader<'a> {
    text: &'a str,
    table: &'a Table,
    types: &'a Types,
    pure: &'a HashSet<String>,
    claims: &'a mut Vec<String>,
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(&token.kind, TokenKind::Word(found) if found == word)
}

fn is_sign(token: &Token, sign: &str) -> bool {
    matches!(&token.kind, TokenKind::Sign(found) if found == sign)
}

/// The tokens between the parentheses, if these are all around.
fn inner(tokens: &[Token]) -> Option<&[Token]> {
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
fn split(tokens: &[Token], fits: impl Fn(&Token) -> bool) -> Vec<&[Token]> {
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

impl Reader<'_> {
    fn condition(&mut self, tokens: &[Token]) -> Condition {
        if let Some(inner) = inner(tokens) {
            return self.condition(inner);
        }
        let ors = split(tokens, |token| is_word(token, "or"));
        let ands = split(tokens, |token| is_word(token, "and"));
        match (ors.len(), ands.len()) {
            (1, 1) => {}
            (_, 1) => return Condition::Or(ors.iter().map(|part| self.condition(part)).collect()),
            (1, _) => return Condition::And(ands.iter().map(|part| self.condition(part)).collect()),
            // Postgres prints parentheses where both meet.
            _ => return Condition::Unsure,
        }
        match tokens {
            [not, rest @ ..] if is_word(not, "not") => Condition::Not(Box::new(self.condition(rest))),
            [one] if is_word(one, "true") => Condition::Const(true),
            [one] if is_word(one, "false") => Condition::Const(false),
            _ => self.leaf(tokens).unwrap_or(Condition::Unsure),
        }
    }

    fn leaf(&mut self, tokens: &[Token]) -> Option<Condition> {
        if let [operand @ .., is, null] = tokens
            && is_word(is, "is")
            && is_word(null, "null")
        {
            return Some(Condition::IsNull(self.nullable(operand)?));
        }
        if let [operand @ .., is, not, null] = tokens
            && is_word(is, "is")
            && is_word(not, "not")
            && is_word(null, "null")
        {
            return Some(Condition::Not(Box::new(Condition::IsNull(self.nullable(operand)?))));
        }
        for (sign, negate) in [("=", false), ("<>", true)] {
            if let [left, right] = split(tokens, |token| is_sign(token, sign))[..] {
                let condition = self.comparison(left, right)?;
                return Some(if negate { Condition::Not(Box::new(condition)) } else { condition });
            }
        }
        match self.operand(tokens)? {
            (Operand::Column(index), Class::Bool) => Some(Condition::Flag(index)),
            _ => None,
        }
    }

    fn comparison(&mut self, left: &[Token], right: &[Token]) -> Option<Condition> {
        let (left, class) = self.operand(left)?;
        let others = match right {
            [any, list @ ..] if is_word(any, "any") => {
                let [array, open, items @ .., close] = inner(list)? else { return None };
                if !is_word(array, "array") || !is_sign(open, "[") || !is_sign(close, "]") {
                    return None;
                }
                let items = split(items, |token| is_sign(token, ","));
                items.into_iter().map(|item| self.operand(item)).collect::<Option<Vec<_>>>()?
            }
            right => vec![self.operand(right)?],
        };
        for (_, other) in &others {
            // Of two claims, or of a claim and a constant of another type, nobody says how they compare.
            match (class, *other) {
                (Class::Claim, Class::Claim | Class::Const) | (Class::Const, Class::Claim | Class::Const) => {
                    return None;
                }
                (Class::Claim | Class::Const | Class::Word, _)
                | (_, Class::Claim | Class::Const | Class::Word) => {}
                (one, other) if one == other => {}
                _ => return None,
            }
        }
        Some(Condition::Among(left, others.into_iter().map(|(operand, _)| operand).collect()))
    }

    fn operand(&mut self, tokens: &[Token]) -> Option<(Operand, Class)> {
        if let Some(inner) = inner(tokens) {
            // A query without a table is its expression.
            if let [select, expression @ .., as_, name] = inner
                && is_word(select, "select")
                && is_word(as_, "as")
                && matches!(name.kind, TokenKind::Word(_) | TokenKind::Name(_))
            {
                return self.claim(expression);
            }
            return self.operand(inner);
        }
        match tokens {
            [one] => match &one.kind {
                TokenKind::Word(word) if matches!(&**word, "true" | "false") => {
                    Some((Operand::Text(word.get(..1)?.to_owned()), Class::Bool))
                }
                TokenKind::Word(name) | TokenKind::Name(name) => self.column(name),
                TokenKind::Number(digits) => Some((Operand::Text(digits.clone()), Class::Integer)),
                _ => None,
            },
            [one, cast, kind @ ..] if is_sign(cast, "::") && matches!(one.kind, TokenKind::Text(_)) => {
                let TokenKind::Text(text) = &one.kind else { return None };
                let is_text = matches!(kind, [word] if is_word(word, "text"));
                // A type's modifier would be in parentheses.
                let is_type = match kind {
                    [one] => matches!(one.kind, TokenKind::Word(_) | TokenKind::Name(_)),
                    [one, two] => is_word(one, "character") && is_word(two, "varying"),
                    _ => false,
                };
                let class = if is_text { Class::Word } else { Class::Const };
                is_type.then(|| (Operand::Text(text.clone()), class))
            }
            [column @ .., cast, text] if is_sign(cast, "::") && is_word(text, "text") => {
                match self.operand(column) {
                    // It is printed as the value that it is sent as.
                    Some((Operand::Column(index), class)) if class != Class::Bool => {
                        Some((Operand::Column(index), Class::Text))
                    }
                    claim @ Some((Operand::Claim(_), _)) => claim,
                    _ => self.claim(tokens),
                }
            }
            _ => self.claim(tokens),
        }
    }

    /// What is null or not; for this any column will do.
    fn nullable(&mut self, tokens: &[Token]) -> Option<Operand> {
        if let Some(inner) = inner(tokens)
            && let Some(operand) = self.nullable(inner)
        {
            return Some(operand);
        }
        if let [Token { kind: TokenKind::Word(name) | TokenKind::Name(name), .. }] = tokens {
            return self.table.columns.iter().position(|column| column.name == *name).map(Operand::Column);
        }
        self.operand(tokens).map(|(operand, _)| operand)
    }

    fn column(&self, name: &str) -> Option<(Operand, Class)> {
        let index = self.table.columns.iter().position(|column| column.name == name)?;
        let Column { kind, is_exact, .. } = self.table.columns.get(index)?;
        let class = match self.types.kind(*kind) {
            Kind::Bool => Class::Bool,
            Kind::Integer => Class::Integer,
            Kind::Uuid => Class::Uuid,
            Kind::Enum => Class::Enum,
            Kind::Text if *is_exact && matches!(self.types.base(*kind), 25 | 1043) => Class::Text,
            _ => return None,
        };
        Some((Operand::Column(index), class))
    }

    fn claim(&mut self, tokens: &[Token]) -> Option<(Operand, Class)> {
        let is_about_claims = tokens.iter().all(|token| match &token.kind {
            TokenKind::Word(word) => is_about_claims(word) || self.pure.contains(word),
            TokenKind::Name(_) => false,
            TokenKind::Sign(sign) => matches!(&**sign, "::" | "->" | "->>" | "#>" | "#>>" | ","),
            _ => true,
        });
        let is_call =
            tokens.iter().any(|token| matches!(&token.kind, TokenKind::Word(word) if word != "true"));
        if !is_about_claims || !is_call {
            return None;
        }
        let sql = self.text.get(tokens.first()?.at.start..tokens.last()?.at.end)?;
        let index = self.claims.iter().position(|claim| claim == sql).unwrap_or_else(|| {
            self.claims.push(sql.to_owned());
            self.claims.len() - 1
        });
        Some((Operand::Claim(index), Class::Claim))
    }
}

/// What may be compared with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Bool,
    Integer,
    Uuid,
    Enum,
    Text,
    /// An expression about claims: it has the type of what it is compared with.
    Claim,
    /// A constant of the type `text`.
    Word,
    /// A constant of another type.
    Const,
}

#[cfg(test)]
mod tests {
    use super::super::kind::{Type, built_in};
    use super::*;
    use crate::store::table::Policy;

    fn conditions(text: &str) -> Conditions {
        let mut types = Types::default();
        for oid in [16, 20, 25, 1042, 2950, 1184] {
            types.put(oid, Type { name: String::new(), sql: String::new(), kind: built_in(oid) });
        }
        let column = |number, name: &str, kind, is_exact| Column {
            number,
            name: name.to_owned(),
            kind,
            type_name: String::new(),
            is_generated: false,
            is_pkey: false,
            is_exact,
        };
        let table = Table {
            sql: String::new(),
            has_policies: true,
            binds_owner: false,
            owner: 1,
            columns: vec![
                column(1, "id", 20, true),
                column(2, "owner", 2950, true),
                column(3, "Team", 25, true),
                column(4, "open", 16, true),
                column(5, "ci", 25, false),
                column(6, "made", 1184, true),
                column(7, "fixed", 1042, true),
            ],
            policies: vec![Policy { id: 1, is_permissive: true, using: Some(text.to_owned()) }],
        };
        let pure = ["auth.uid", "auth.jwt", "auth.role"].map(str::to_owned).into();
        Conditions::read(&table, &types, &pure)
    }

    struct Row<'a>(&'a [Option<&'a str>], &'a [Option<&'a str>]);

    impl Values for Row<'_> {
        fn column(&self, index: usize) -> Value<'_> {
            self.0[index].map_or(Value::Null, Value::Text)
        }

        fn claim(&self, index: usize) -> Value<'_> {
            self.1[index].map_or(Value::Null, Value::Text)
        }
    }

    #[test]
    fn what_is_certain_is_judged() {
        use Truth::{False, Null, True, Unsure};
        let row = [Some("7"), Some("u1"), Some("red"), Some("t"), Some("x"), None, Some("a")];
        for (text, claims, expected) in [
            ("true", &[][..], True),
            ("(auth.uid() = owner)", &[Some("u1")], True),
            ("(auth.uid() = owner)", &[Some("u2")], False),
            ("(auth.uid() = owner)", &[None], Null),
            ("(( SELECT auth.uid() AS uid) = owner)", &[Some("u1")], True),
            ("((owner)::text = (( SELECT auth.uid() AS uid))::text)", &[Some("u1")], True),
            ("(\"Team\" = (auth.jwt() ->> 'team'::text))", &[Some("red")], True),
            ("(\"Team\" <> (auth.jwt() ->> 'team'::text))", &[Some("red")], False),
            ("(id = ((auth.jwt() ->> 'n'::text))::bigint)", &[Some("7")], True),
            ("((id = 7) AND open)", &[], True),
            ("((id = 8) OR (NOT open))", &[], False),
            ("(auth.role() = 'authenticated'::text)", &[Some("authenticated")], True),
            ("(auth.uid() IS NOT NULL)", &[Some("u1")], True),
            ("(made IS NULL)", &[], True),
            ("(\"Team\" = ANY (ARRAY['blue'::text, 'red'::text]))", &[], True),
            ("(\"Team\" = ANY (ARRAY['blue'::text, 'green'::text]))", &[], False),
            (
                "(owner = (nullif(current_setting('request.jwt.claims'::text, true), ''::text))::uuid)",
                &[Some("u1")],
                True,
            ),
            // Not ours to judge.
            ("(ci = 'x'::text)", &[], Unsure),
            ("(fixed = 'a'::bpchar)", &[], Unsure),
            ("(id > 3)", &[], Unsure),
            ("(\"Team\" = lower(auth.role()))", &[], Unsure),
            ("(auth.uid() = auth.uid())", &[], Unsure),
            ("(EXISTS ( SELECT 1 FROM m WHERE (m.u = auth.uid())))", &[], Unsure),
            ("((\"Team\" = 'red'::text) OR (EXISTS ( SELECT 1 FROM m)))", &[], True),
            ("((\"Team\" = 'blue'::text) AND (EXISTS ( SELECT 1 FROM m)))", &[], False),
            ("((\"Team\" = 'blue'::text) OR (EXISTS ( SELECT 1 FROM m)))", &[], Unsure),
            ("(\"Team\" = 'red'::text COLLATE \"C\")", &[], Unsure),
            ("(\"Team\" OPERATOR(public.=) 'red'::text)", &[], Unsure),
            ("(\"Team\" = E'red'::text)", &[], Unsure),
            ("(id = 7.5)", &[], Unsure),
            ("open AND (id = 7) OR (id = 8)", &[], Unsure),
        ] {
            let conditions = conditions(text);
            let judged = conditions.of_policies[0].as_ref().map(|c| c.judge(&Row(&row, claims)));
            assert_eq!(judged, Some(expected), "{text}: {conditions:?}");
        }
    }

    #[test]
    fn only_functions_about_claims_are_pure() {
        assert!(is_pure(
            "select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
               (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid"
        ));
        assert!(!is_pure("select id from public.people limit 1"));
        assert!(!is_pure("select public.me()"));
        assert!(!is_pure("select \"Me\"()"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_it(text in "(\\(|\\)|AND|OR|NOT|=|open|owner|'a'|::text| |\"|ARRAY\\[|\\]|,|SELECT|AS|ANY){0,25}") {
            let _ = conditions(&text);
        }
    }
}
