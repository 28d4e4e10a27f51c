//! A small schema to plan against: clients have projects, projects have tasks, users work on
//! tasks; one column has a form of its own.

use std::sync::Arc;

use crate::config::Config;
use crate::schema::{
    Column, Contents, Junction, Link, MediaHandler, Name, Param, QualifiedName, Relationship,
    RelationshipKind, Representation, ReturnedValue, Returns, Routine, SchemaCache, Table, Volatility,
};

pub(crate) fn cache() -> SchemaCache {
    let mut contents = Contents {
        tables: vec![
            table("clients", &["id:integer:nextval('clients_id_seq'::regclass)", "name:text"]),
            table("projects", &["id:integer", "name:text", "client_id:integer", "data:jsonb"]),
            table(
                "tasks",
                &["id:integer", "name:text", "project_id:integer", "search:tsvector", "due:app.day"],
            ),
            table("users", &["id:integer", "name:text"]),
            table("users_tasks", &["user_id:integer", "task_id:integer"]),
            Table { primary_key: Vec::new(), ..table("log", &["line:text"]) },
            table("family", &["id:integer", "parent:integer"]),
        ],
        ..Contents::default()
    };
    contents.relationships = vec![
        many_to_one("projects", "client_id", "clients"),
        one_to_many("clients", "projects", "client_id"),
        many_to_one("tasks", "project_id", "projects"),
        one_to_many("projects", "tasks", "project_id"),
        through("users", "user_id", "tasks", "task_id"),
        through("tasks", "task_id", "users", "user_id"),
        many_to_one("family", "parent", "family"),
        one_to_many("family", "family", "parent"),
        Relationship {
            kind: RelationshipKind::Computed { function: name("newest"), is_to_one: true },
            ..one_to_many("clients", "projects", "client_id")
        },
    ];
    contents.routines = vec![
        routine("add", &["a:integer:!", "b:integer:!"], false, scalar("int4")),
        routine("add", &["a:integer:!", "b:integer:!", "c:integer:!"], false, scalar("int4")),
        routine("projects_of", &["client:integer:?"], true, ReturnedValue::Composite(name("projects"))),
        routine("all_of", &["v:text[]:!v"], true, scalar("text")),
        routine("take", &[":json:!"], false, scalar("json")),
        routine("take", &[":bytea:!"], false, scalar("bytea")),
    ];
    contents.representations = [("json", "app.day"), ("text", "app.day"), ("app.day", "json")]
        .map(|(from, to)| Representation {
            from: from.into(),
            to: to.into(),
            function: QualifiedName::new("app", format!("{}_to_{}", bare(from), bare(to))),
        })
        .to_vec();
    contents.media_handlers = vec![MediaHandler {
        function: name("clients_calendar"),
        target: Some(name("clients")),
        accepted: "text/calendar".into(),
        media_type: "text/calendar".into(),
    }];
    SchemaCache::new(contents)
}

fn bare(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

pub(super) fn name(name: &str) -> QualifiedName {
    QualifiedName::new("test", name)
}

/// Columns as `name:type[:default]`; the first is the key.
fn table(table: &str, columns: &[&str]) -> Table {
    let columns: Vec<_> = columns
        .iter()
        .map(|column| {
            let mut parts = column.splitn(3, ':');
            let mut next = || parts.next().map(Name::from);
            let name = next().unwrap_or_default();
            let data_type = next().unwrap_or_default();
            Column {
                name,
                description: None,
                is_nullable: true,
                nominal_type: data_type.clone(),
                data_type,
                max_length: None,
                default: next().map(|default| default.to_string()),
                enum_labels: Vec::new(),
            }
        })
        .collect();
    Table {
        name: name(table),
        description: None,
        is_view: false,
        is_insertable: true,
        is_updatable: true,
        is_deletable: true,
        primary_key: columns.first().map(|column| column.name.clone()).into_iter().collect(),
        columns,
    }
}

fn link(from: &str, key: &str, near: &str, far: &str) -> Link {
    Link { constraint: Arc::from(format!("{from}_{key}_fkey")), columns: vec![(near.into(), far.into())] }
}

fn many_to_one(from: &str, key: &str, to: &str) -> Relationship {
    relationship(from, to, RelationshipKind::ManyToOne(link(from, key, key, "id")))
}

fn one_to_many(from: &str, to: &str, key: &str) -> Relationship {
    relationship(from, to, RelationshipKind::OneToMany(link(to, key, "id", key)))
}

fn through(from: &str, near: &str, to: &str, far: &str) -> Relationship {
    let junction = Junction {
        table: name("users_tasks"),
        source_constraint: Arc::from(format!("users_tasks_{near}_fkey")),
        target_constraint: Arc::from(format!("users_tasks_{far}_fkey")),
        source_columns: vec![("id".into(), near.into())],
        target_columns: vec![("id".into(), far.into())],
    };
    relationship(from, to, RelationshipKind::ManyToMany(junction))
}

fn relationship(from: &str, to: &str, kind: RelationshipKind) -> Relationship {
    Relationship {
        table: name(from),
        foreign_table: name(to),
        is_self: from == to,
        kind,
        table_is_view: false,
        foreign_table_is_view: false,
    }
}

fn scalar(of: &str) -> ReturnedValue {
    ReturnedValue::Scalar(QualifiedName::new("pg_catalog", of))
}

/// Parameters as `name:type:flags`: `!` required, `v` variadic.
fn routine(routine: &str, params: &[&str], is_set: bool, value: ReturnedValue) -> Routine {
    let params: Vec<_> = params
        .iter()
        .map(|param| {
            let mut parts = param.splitn(3, ':');
            let mut next = || parts.next().map(Name::from).unwrap_or_default();
            let (name, data_type, flags) = (next(), next(), next());
            Param {
                name,
                cast_type: data_type.clone(),
                data_type,
                is_required: flags.contains('!'),
                is_variadic: flags.contains('v'),
            }
        })
        .collect();
    Routine {
        name: name(routine),
        description: None,
        is_variadic: params.iter().any(|param| param.is_variadic),
        params,
        returns: Returns { is_set, value },
        volatility: Volatility::Volatile,
        isolation: None,
        settings: Vec::new(),
    }
}

/// The settings of the world: one schema.
pub(crate) fn config() -> Config {
    Config { schemas: vec!["test".to_owned()], ..Config::default() }
}
