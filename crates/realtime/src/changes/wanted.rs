//! What a client subscribes to: one element of `postgres_changes` in a join, or the topic of an old client.

use serde_json::{Map, Value};

use super::filter::{self, Filter};
use super::inspect;

/// Which kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Any,
    Insert,
    Update,
    Delete,
}

impl Event {
    /// Upstream's rule: what is no kind of change is all of them.
    fn parse(name: Option<&str>) -> Self {
        match name.map(str::to_ascii_uppercase).as_deref() {
            Some("INSERT") => Self::Insert,
            Some("UPDATE") => Self::Update,
            Some("DELETE") => Self::Delete,
            _ => Self::Any,
        }
    }

    /// As messages and the database have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Any => "*",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }

    /// Whether a change of the kind `other` is meant.
    pub(crate) fn covers(self, other: Self) -> bool {
        self == Self::Any || self == other
    }
}

/// Where a client that comes back was, if any of its parameters has `since`: empty if it does not know, but wants to
/// be told from now on. Of several, the first in the order of the stream would be right; clients give one.
pub(crate) fn since(params: &[Map<String, Value>]) -> Option<String> {
    params.iter().find_map(|params| params.get("since")?.as_str().map(str::to_owned))
}

/// Every table, or every schema.
pub(crate) const ALL: &str = "*";

/// One set of parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) event: Event,
    pub(crate) schema: String,
    pub(crate) table: String,
    pub(crate) filters: Vec<Filter>,
    /// These columns and the primary key; all if none are named.
    pub(crate) select: Option<Vec<String>>,
}

impl Wanted {
    /// Reads what a join has; the error is what the client is told.
    pub(crate) fn parse(params: &Map<String, Value>) -> Result<Self, String> {
        let event = Event::parse(params.get("event").and_then(Value::as_str));
        let select = select(params.get("select"))?;
        // Clients leave out what they do not want; one that says null means the same.
        let given = |name: &str| params.get(name).filter(|value| !value.is_null());
        let (schema, table, filters) = match (given("schema"), given("table"), given("filter")) {
            (Some(Value::String(schema)), Some(Value::String(table)), Some(Value::String(filter))) => {
                let filters = filter::parse(filter)
                    .map_err(|error| format!("Error parsing `filter` params: {error}"))?;
                (schema.as_str(), table.as_str(), filters)
            }
            (Some(Value::String(schema)), Some(Value::String(table)), None) => {
                (&**schema, &**table, Vec::new())
            }
            (Some(Value::String(schema)), None, None) => (&**schema, ALL, Vec::new()),
            (None, Some(Value::String(table)), None) => ("public", &**table, Vec::new()),
            _ => return Err(nothing(params)),
        };
        if select.is_some() && (schema == ALL || table == ALL) {
            return Err(
                "Column selection is not supported for wildcard subscriptions. Provide an explicit schema \
                        and table name."
                    .to_owned(),
            );
        }
        Ok(Self { event, schema: schema.to_owned(), table: table.to_owned(), filters, select })
    }

    /// What the topic of a client without `config` says: `schema`, `schema:table`, `schema:table:filter`.
    pub(crate) fn of_topic(name: &str) -> Map<String, Value> {
        let mut parts = name.splitn(3, ':');
        let names = ["schema", "table", "filter"].into_iter();
        let mut params: Map<_, _> =
            names.zip(&mut parts).map(|(name, part)| (name.to_owned(), Value::from(part))).collect();
        params.insert("event".to_owned(), Value::from(ALL));
        params
    }

    /// As upstream's messages show the parameters.
    pub(crate) fn shown(&self) -> String {
        let select = match &self.select {
            None => "nil".to_owned(),
            Some(columns) => inspect::list(columns.iter().map(|column| inspect::text(column))),
        };
        format!(
            "[event: {}, schema: {}, table: {}, filters: {}, select: {select}]",
            self.event.name(),
            self.schema,
            self.table,
            inspect::list(self.filters.iter().map(Filter::shown)),
        )
    }
}

fn nothing(params: &Map<String, Value>) -> String {
    let has_token = params.contains_key("user_token") || params.contains_key("auth_token");
    let shown =
        if has_token { "<redacted>".to_owned() } else { inspect::value(&Value::Object(params.clone())) };
    format!(
        "No subscription params provided. Please provide at least a `schema` or `table` to subscribe to: {shown}"
    )
}

fn select(value: Option<&Value>) -> Result<Option<Vec<String>>, String> {
    match value {
        Some(Value::Array(names)) => {
            let names: Vec<_> = names.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            Ok(Some(names).filter(|names| !names.is_empty()))
        }
        Some(Value::String(_)) => Err(
            "Error parsing `select` params: expected a list of column name strings, e.g. select: [\"col1\", \
                 \"col2\"]"
                .to_owned(),
        ),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn parse(value: Value) -> Result<Wanted, String> {
        Wanted::parse(value.as_object().unwrap())
    }

    #[test]
    fn parameters_have_upstreams_defaults() {
        let shown = |value| parse(value).unwrap().shown();
        assert_eq!(
            shown(json!({ "schema": "s" })),
            "[event: *, schema: s, table: *, filters: [], select: nil]"
        );
        assert_eq!(
            shown(json!({ "table": "t", "event": "insert", "filter": null })),
            "[event: INSERT, schema: public, table: t, filters: [], select: nil]"
        );
        assert_eq!(
            shown(
                json!({ "schema": "s", "table": "t", "event": "x", "filter": "a=eq.1", "select": ["b", 1] })
            ),
            r#"[event: *, schema: s, table: t, filters: [{"a", "eq", "1", false}], select: ["b"]]"#
        );
    }

    #[test]
    fn errors_are_upstreams() {
        let nothing = "No subscription params provided. Please provide at least a `schema` or `table` to subscribe to: ";
        assert_eq!(parse(json!({})).unwrap_err(), format!("{nothing}%{{}}"));
        let told = parse(json!({ "event": "*", "filter": "a=eq.1", "schema": "s" })).unwrap_err();
        assert_eq!(told, format!(r#"{nothing}%{{"event" => "*", "filter" => "a=eq.1", "schema" => "s"}}"#));
        assert_eq!(parse(json!({ "user_token": "x" })).unwrap_err(), format!("{nothing}<redacted>"));
        assert!(
            parse(json!({ "table": "t", "select": "a" })).unwrap_err().starts_with("Error parsing `select`")
        );
        assert!(
            parse(json!({ "schema": "s", "select": ["a"] })).unwrap_err().starts_with("Column selection")
        );
    }

    #[test]
    fn topics_of_old_clients_are_parameters() {
        let wanted = Wanted::parse(&Wanted::of_topic("public:todos:id=eq.1:2")).unwrap();
        assert_eq!((&*wanted.schema, &*wanted.table, &*wanted.filters[0].value), ("public", "todos", "1:2"));
        let wanted = Wanted::parse(&Wanted::of_topic("public")).unwrap();
        assert_eq!((&*wanted.schema, &*wanted.table), ("public", ALL));
    }
}
