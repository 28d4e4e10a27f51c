//! The proof that a statement's text is ours: that it is made of our own words and of names in
//! quotes, that it uses each of its values once they are parameters, and that other values would
//! give the same text. For tests and fuzzers.

use std::collections::{BTreeSet, HashSet};

use super::Statement;
use crate::request::{ApiRequest, LogicTree, OpExpr, Operation, SelectItem};

/// Every word that a statement may hold outside of quotes; casts bring their own. The last line is
/// that of the schema in `plan::world`.
const WORDS: &str = "
    ALL ANALYZE AND ANY AS ASC BUFFERS BY CASE CAST CONFLICT COUNT CROSS DEFAULT DELETE DESC DISTINCT DO
    E ELSE END EXCLUDED EXISTS EXPLAIN FALSE FIRST FORMAT FROM GROUP ILIKE INNER INSERT INTO IS JOIN JSON
    LAST LATERAL LEFT LIKE LIMIT NOT NOTHING NULL NULLS OFFSET ON OR ORDER RETURNING ROW ROWS SELECT SET
    SETTINGS TEXT THEN TRUE UNKNOWN UPDATE VALUES VARIADIC VERBOSE WAL WHEN WHERE WITH ST_AsGeoJSON
    _ array_agg avg basalt_body basalt_call basalt_count basalt_filled basalt_key basalt_page
    basalt_payload basalt_rows basalt_source bigint bytea coalesce count current_setting element false
    field first int json json_agg json_array_elements json_build_array json_build_object
    json_each_text json_object_keys json_strip_nulls json_to_record json_to_recordset jsonb jsonb_agg
    jsonb_array_elements jsonb_build_object jsonb_to_record jsonb_to_recordset key keys length max min
    null nullif pgrst_scalar phraseto_tsquery plainto_tsquery replace row_to_json set_config string_agg
    substring sum text to_json to_jsonb to_tsquery to_tsvector true unnest val value
    websearch_to_tsquery
    app clients_id_seq day integer nextval regclass tsvector";

/// Every literal: none of them comes from a request.
const LITERALS: [&str; 17] = [
    "",
    " ",
    ",",
    "=",
    "[]",
    "\\n",
    "\\r",
    "FeatureCollection",
    "basalt.inserted",
    "clients_id_seq",
    "eq.",
    "features",
    "is.null",
    "null",
    "response.headers",
    "response.status",
    "type",
];

/// Whether the text of a statement is ours; else what is not. `casts` are the words of the types that
/// the request casts to.
pub(crate) fn check(statement: &Statement, casts: &HashSet<String>) -> Result<(), String> {
    let known: HashSet<&str> = WORDS.split_ascii_whitespace().collect();
    let mut params = BTreeSet::new();
    let mut rest = statement.text.as_str();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => quoted(rest, first).unwrap_or(rest.len()),
            '$' => 1 + run(rest.get(1..).unwrap_or_default(), |c| c.is_ascii_digit()),
            '0'..='9' => run(rest, |c| c.is_ascii_digit()),
            c if c.is_alphabetic() || c == '_' => run(rest, is_of_word),
            _ => first.len_utf8(),
        };
        let (token, behind) = rest.split_at(length);
        let is_ours = match first {
            '"' => quoted(token, first).is_some(),
            '\'' => LITERALS.iter().any(|literal| token == format!("'{literal}'")),
            '$' => {
                token.get(1..).and_then(|digits| digits.parse().ok()).is_some_and(|n: usize| params.insert(n))
            }
            '0'..='9' => true,
            c if c.is_alphabetic() || c == '_' => known.contains(token) || casts.contains(token),
            c => " ().,*+-<>=:|&@~[]".contains(c) && !rest.starts_with("--"),
        };
        if !is_ours {
            return Err(format!("{token:?} in {}", statement.text));
        }
        rest = behind;
    }
    if !params.iter().copied().eq(1..=statement.params.len()) {
        return Err(format!("the parameters {params:?} in {}", statement.text));
    }
    Ok(())
}

/// The bytes of the characters at the beginning of a text that are of a kind.
fn run(text: &str, is_of_kind: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is_of_kind(c)).unwrap_or(text.len())
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

/// The length of what stands in quotes, both of them included.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut at = 1;
    loop {
        at += text.get(at..)?.find(quote)? + 1;
        if !text.get(at..)?.starts_with(quote) {
            return Some(at);
        }
        at += 1;
    }
}

/// The words of the types that a request casts to. They cannot be quoted, so the grammar admits
/// nothing in them but letters, digits, blanks, `_` and `$`.
pub(crate) fn casts(request: &ApiRequest) -> HashSet<String> {
    fn collect(items: &[SelectItem], words: &mut HashSet<String>) {
        for item in items {
            match item {
                SelectItem::Column(column) => {
                    for cast in column.cast.iter().chain(&column.aggregate_cast) {
                        // Digits before a word are a number of their own to the database.
                        let parts = cast.split(|c| !is_of_word(c));
                        let found = parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit()));
                        words.extend(found.map(str::to_owned));
                    }
                }
                SelectItem::Embed(embed) => collect(&embed.select, words),
            }
        }
    }
    let mut words = HashSet::new();
    collect(&request.query.select, &mut words);
    words
}

/// The same request with other values in its filters, arguments and cursor.
pub(crate) fn with_other_values(request: &ApiRequest) -> ApiRequest {
    const OTHER: &str = "other";
    fn expr(expr: &mut OpExpr) {
        match &mut expr.operation {
            Operation::Simple(_, value)
            | Operation::Quant(_, _, value)
            | Operation::IsDistinctFrom(value)
            | Operation::Fts(_, None, value) => OTHER.clone_into(value),
            Operation::Fts(_, Some(language), value) => {
                OTHER.clone_into(language);
                OTHER.clone_into(value);
            }
            Operation::In(values) => *values = vec![OTHER.to_owned()],
            Operation::Is(_) => {}
        }
    }
    fn tree(node: &mut LogicTree) {
        match node {
            LogicTree::Node { children, .. } => children.iter_mut().for_each(tree),
            LogicTree::Leaf(filter) => expr(&mut filter.expr),
        }
    }
    let mut request = request.clone();
    request.query.filters.iter_mut().for_each(|(_, filter)| expr(&mut filter.expr));
    request.query.logic.iter_mut().for_each(|(_, node)| tree(node));
    request.query.params.iter_mut().for_each(|(_, value)| OTHER.clone_into(value));
    let after = request.keyset.as_mut().and_then(|keyset| keyset.after.as_mut());
    for value in after.into_iter().flat_map(|after| after.values.iter_mut().flatten()) {
        OTHER.clone_into(value);
    }
    request
}
