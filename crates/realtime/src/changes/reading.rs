//! Reading an expression as a condition, as far as it can be judged without the database.
//!
//! What is not certain of a part makes that part unsure, not the whole: `false and unsure` is false.

use std::collections::HashSet;

use super::condition::{Condition, Operand};
use super::expression::{Token, TokenKind, inner, is_sign, is_word, split, tokens};
use super::kind::{Kind, Types};
use super::policy::is_about_claims;
use crate::store::table::{Column, Table};

/// Reads the condition `text` of a policy; expressions about claims that it asks for are added to `claims`.
pub(super) fn condition(
    text: &str,
    table: &Table,
    types: &Types,
    pure: &HashSet<String>,
    claims: &mut Vec<String>,
) -> Condition {
    match tokens(text) {
        Some(tokens) => Reader { text, table, types, pure, claims }.condition(&tokens),
        None => Condition::Unsure,
    }
}

struct Reader<'a> {
    text: &'a str,
    table: &'a Table,
    types: &'a Types,
    pure: &'a HashSet<String>,
    claims: &'a mut Vec<String>,
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
