//! Policies that can be judged without the database.
//!
//! Most policies compare a column with a claim: `auth.uid() = owner`. Asked of the database, such a question
//! costs a statement for each receiver of each change. So the conditions, as Postgres prints them, are read
//! here, and what is certain is judged on the row as it was committed: equality and null of columns whose
//! texts are equal when their values are, of constants, and of expressions about claims alone, whose value
//! the database says once for each caller. Anything else is unsure, and the database is asked.

use std::collections::HashSet;

use super::condition::{Condition, Truth, Values};
use super::expression::{TokenKind, tokens};
use super::kind::Types;
use super::reading::condition;
use crate::store::table::Table;

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
        let of_policies = table
            .policies
            .iter()
            .map(|policy| Some(condition(policy.using.as_deref()?, table, types, pure, &mut claims)));
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
pub(super) fn is_about_claims(word: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::super::condition::Value;
    use super::super::kind::{Type, built_in};
    use super::*;
    use crate::store::table::{Column, Policy};

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
