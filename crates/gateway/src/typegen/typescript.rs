//! TypeScript for supabase-js. Line breaks and spaces are upstream's own.

use super::catalogue::{Argument, Catalogue, Column, Form, Kind, Named, Relation};
use super::quoted;
use super::routine::{Call, Family, families};

/// The types by which a program picks from `Database`; the same for everybody, but for the schema it picks from first.
const ACCESS: &str = include_str!("typescript/access.ts");
const FIRST_SCHEMA: &str = "\"public\"";

const NONE: &str = "[_ in never]: never";

/// The text of the program.
pub(super) fn text(catalogue: &Catalogue) -> String {
    let schemas: Vec<String> = catalogue.schemas.iter().map(|name| schema(catalogue, name)).collect();
    let first = match catalogue.schemas.first() {
        Some(first) if !catalogue.has_schema("public") => first,
        _ => "public",
    };
    let constants = catalogue.schemas.iter().map(|name| {
        let values = enumerations(catalogue, name)
            .map(|kind| format!("{}: [{}]", quoted(&kind.named.name), labels(kind, ", ")));
        format!(
            "{}: {{\n          Enums: {{\n            {}\n          }}\n        }}",
            quoted(name),
            joined(values)
        )
    });
    format!(
        "\nexport type Json = string | number | boolean | null | {{ [key: string]: Json | undefined }} | Json[]\n\n\
         export type Database = {{\n  \n  {}\n}}\n\n{}export const Constants = {{\n  {}\n}} as const\n",
        schemas.join(","),
        ACCESS.replacen(FIRST_SCHEMA, &quoted(first), 1),
        joined(constants),
    )
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}

fn or_none(text: String) -> String {
    if text.is_empty() { NONE.to_owned() } else { text }
}

fn schema(catalogue: &Catalogue, name: &str) -> String {
    let here = Schema { catalogue, name, families: families(catalogue, name) };
    let of = |forms: [Form; 2]| {
        let mut relations: Vec<_> = catalogue
            .relations
            .iter()
            .filter(|relation| relation.schema == name && forms.contains(&relation.form))
            .collect();
        relations.sort_by(|a, b| super::order::compare(&a.name, &b.name));
        relations
    };
    let tables = of([Form::Table, Form::ForeignTable]);
    let views = of([Form::View, Form::MaterializedView]);
    let composites = catalogue
        .kinds
        .iter()
        .filter(|kind| kind.named.schema == name && !kind.attributes.is_empty())
        .map(|kind| here.composite(kind));
    let enums = enumerations(catalogue, name)
        .map(|kind| format!("{}: {}", quoted(&kind.named.name), labels(kind, "|")));
    format!(
        "{}: {{
          Tables: {{
            {}
          }}
          Views: {{
            {}
          }}
          Functions: {{
            {}
          }}
          Enums: {{
            {}
          }}
          CompositeTypes: {{
            {}
          }}
        }}",
        quoted(name),
        or_none(joined(tables.into_iter().map(|table| here.table(table)))),
        or_none(joined(views.into_iter().map(|view| here.view(view)))),
        or_none(here.families.iter().map(|family| here.family(family)).collect::<Vec<_>>().join(",\n")),
        or_none(joined(enums)),
        or_none(joined(composites)),
    )
}

fn enumerations<'a>(catalogue: &'a Catalogue, schema: &str) -> impl Iterator<Item = &'a Kind> {
    catalogue.kinds.iter().filter(move |kind| kind.named.schema == schema && !kind.labels.is_empty())
}

fn labels(kind: &Kind, between: &str) -> String {
    kind.labels.iter().map(|label| quoted(label)).collect::<Vec<_>>().join(between)
}

/// `| null`, where it says something.
fn nullable(text: String, is_nullable: bool) -> String {
    match text.as_str() {
        "Json" if !is_nullable => "NonNullable<Json>".to_owned(),
        "unknown" | "any" => text,
        _ if is_nullable => format!("{text} | null"),
        _ => text,
    }
}

struct Schema<'a> {
    catalogue: &'a Catalogue,
    name: &'a str,
    families: Vec<Family<'a>>,
}

impl Schema<'_> {
    fn table(&self, table: &Relation) -> String {
        let columns = self.catalogue.columns_of(table.id);
        let insert = columns.iter().map(|column| {
            let can_be_left_out = column.is_nullable || column.is_identity || column.has_default;
            if column.is_readonly { never(column) } else { self.column(column, can_be_left_out) }
        });
        let update = columns
            .iter()
            .map(|column| if column.is_readonly { never(column) } else { self.column(column, true) });
        format!(
            "{}: {{
                  Row: {{
                    {}
                  }}
                  ComputedFields: {}
                  Insert: {{
                    {}
                  }}
                  Update: {{
                    {}
                  }}
                  Relationships: [
                    {}
                  ]
                }}",
            quoted(&table.name),
            self.row(table),
            self.computed_names(table),
            joined(insert),
            joined(update),
            self.links(table),
        )
    }

    fn view(&self, view: &Relation) -> String {
        let writable = |is_possible: bool, what: &str| {
            let columns = self.catalogue.columns_of(view.id).iter().map(|column| {
                if column.is_updatable {
                    let text = self.kind(&column.kind);
                    format!("{}?: {}", quoted(&column.name), nullable(text, true))
                } else {
                    never(column)
                }
            });
            if is_possible {
                format!(
                    "{what}: {{\n                           {}\n                         }}\n                        ",
                    joined(columns)
                )
            } else {
                String::new()
            }
        };
        format!(
            "{}: {{
                  Row: {{
                    {}
                  }}
                  ComputedFields: {}
                  {}{}Relationships: [
                    {}
                  ]
                }}",
            quoted(&view.name),
            self.row(view),
            self.computed_names(view),
            writable(view.takes_inserts, "Insert"),
            writable(view.takes_updates, "Update"),
            self.links(view),
        )
    }

    fn row(&self, relation: &Relation) -> String {
        let columns = self.catalogue.columns_of(relation.id).iter().map(|column| self.column(column, false));
        let computed = self
            .computed(relation)
            .map(|(name, call)| format!("{}: {}", quoted(name), nullable(self.returned(call), true)));
        joined(columns.chain(computed))
    }

    fn computed(&self, relation: &Relation) -> impl Iterator<Item = (&str, &Call<'_>)> {
        self.families.iter().filter_map(|family| {
            let call = family.members.iter().find(|call| call.computes_for == Some(relation.id))?;
            Some((family.name, call))
        })
    }

    fn computed_names(&self, relation: &Relation) -> String {
        let names: Vec<_> = self.computed(relation).map(|(name, _)| quoted(name)).collect();
        if names.is_empty() { "never".to_owned() } else { names.join(" | ") }
    }

    fn column(&self, column: &Column, is_optional: bool) -> String {
        let mark = if is_optional { "?" } else { "" };
        let text = nullable(self.kind(&column.kind), column.is_nullable);
        format!("{}{mark}: {text}", quoted(&column.name))
    }

    fn links(&self, relation: &Relation) -> String {
        let own = self.catalogue.links.iter().filter(|link| {
            link.schema == relation.schema
                && link.relation == relation.name
                && link.foreign_schema == relation.schema
        });
        let list = |names: &[String]| serde_json::json!(names).to_string();
        joined(own.map(|link| {
            format!(
                "{{
      foreignKeyName: {}
      columns: {}
isOneToOne: {}
      referencedRelation: {}
      referencedColumns: {}
    }}",
                quoted(&link.name),
                list(&link.columns),
                link.is_one_to_one,
                quoted(&link.foreign_relation),
                list(&link.foreign_columns),
            )
        }))
    }

    fn family(&self, family: &Family<'_>) -> String {
        let calls: Vec<_> = family.members.iter().map(|call| self.call(call)).collect();
        format!("{}:\n{}", quoted(family.name), calls.join(" |\n"))
    }

    fn call(&self, call: &Call<'_>) -> String {
        let arguments = if call.arguments.is_empty() {
            "Record<PropertyKey, never>".to_owned()
        } else {
            let each = |argument: &&Argument| {
                let mark = if argument.has_default { "?" } else { "" };
                format!("{}{mark}: {}", quoted(&argument.name), self.argument(argument))
            };
            format!("{{ {} }}", joined(call.arguments.iter().map(each)))
        };
        let returned = match &call.error {
            Some(error) => format!("{{ error: true }} & {}", quoted(error)),
            None => self.returned(call),
        };
        let is_one = call.rows_of.as_ref().is_some_and(|rows| rows.is_one);
        let several = if call.error.is_none() && call.routine.is_set && !is_one { "[]" } else { "" };
        let rows_of = call.rows_of.as_ref().map_or_else(String::new, |rows| {
            format!(
                "SetofOptions: {{
        from: {}
        to: {}
        isOneToOne: {}
        isSetofReturn: {}
      }}",
                quoted(rows.from),
                quoted(rows.to),
                rows.is_one,
                call.routine.is_set,
            )
        });
        format!("{{ Args: {arguments}; Returns: {returned}{several}\n                          {rows_of} }}")
    }

    /// What one row of the answer is.
    fn returned(&self, call: &Call<'_>) -> String {
        if !call.columns.is_empty() {
            let columns = call
                .columns
                .iter()
                .map(|column| format!("{}: {}", quoted(&column.name), self.by_id(column.kind)));
            return format!("{{\n              {}\n            }}", joined(columns));
        }
        let relation = call.routine.returns_relation.and_then(|id| self.catalogue.relation(id));
        match relation.filter(|relation| relation.schema == self.name) {
            Some(relation) => {
                let columns = self.catalogue.columns_of(relation.id).iter();
                let columns: Vec<_> = columns.map(|column| self.column(column, false)).collect();
                format!("{{\n              {}\n            }}", columns.join(",\n"))
            }
            None => self.by_id(call.routine.returns),
        }
    }

    fn argument(&self, argument: &Argument) -> String {
        let text = self.by_id(argument.kind);
        let Some(kind) = self.catalogue.kind(argument.kind).filter(|_| !argument.name.is_empty()) else {
            return text;
        };
        match self.rows(&kind.named) {
            Some(rows) if text == format!("{rows}['Row']") => {
                format!("Omit<{text}, {rows}['ComputedFields']>")
            }
            _ => text,
        }
    }

    fn composite(&self, kind: &Kind) -> String {
        let attributes = kind.attributes.iter().map(|attribute| {
            format!("{}: {}", quoted(&attribute.name), nullable(self.by_id(attribute.kind), true))
        });
        format!(
            "{}: {{\n                        {}\n                      }}",
            quoted(&kind.named.name),
            joined(attributes)
        )
    }

    fn by_id(&self, id: i64) -> String {
        self.catalogue.kind(id).map_or_else(|| "unknown".to_owned(), |kind| self.kind(&kind.named))
    }

    fn kind(&self, named: &Named) -> String {
        match named.name.as_str() {
            "bool" => "boolean".to_owned(),
            "int2" | "int4" | "int8" | "float4" | "float8" | "numeric" => "number".to_owned(),
            "bytea" | "bpchar" | "varchar" | "date" | "text" | "citext" | "time" | "timetz" | "timestamp"
            | "timestamptz" | "uuid" | "vector" | "interval" => "string".to_owned(),
            "json" | "jsonb" => "Json".to_owned(),
            "void" => "undefined".to_owned(),
            "record" => "Record<string, unknown>".to_owned(),
            name => match name.strip_prefix('_') {
                Some(item) => {
                    let item = Named { name: item.to_owned(), schema: named.schema.clone() };
                    format!("({})[]", self.kind(&item))
                }
                None => self.made(named),
            },
        }
    }

    /// A type that somebody made.
    fn made(&self, named: &Named) -> String {
        let find = |is_such: fn(&Kind) -> bool| {
            let mut such =
                self.catalogue.kinds.iter().filter(|kind| kind.named.name == named.name && is_such(kind));
            such.clone().find(|kind| kind.named.schema == named.schema).or_else(|| such.next())
        };
        let path = |kind: &Kind, part: &str| {
            format!("Database[{}]['{part}'][{}]", quoted(&kind.named.schema), quoted(&kind.named.name))
        };
        if let Some(kind) = find(|kind| !kind.labels.is_empty()) {
            let is_ours = self.catalogue.has_schema(&kind.named.schema);
            return if is_ours { path(kind, "Enums") } else { labels(kind, "|") };
        }
        if let Some(kind) = find(|kind| !kind.attributes.is_empty()) {
            let is_ours = self.catalogue.has_schema(&kind.named.schema);
            return if is_ours { path(kind, "CompositeTypes") } else { "unknown".to_owned() };
        }
        self.rows(named).map_or_else(|| "unknown".to_owned(), |rows| format!("{rows}['Row']"))
    }

    /// The relation whose rows a type is.
    fn rows(&self, named: &Named) -> Option<String> {
        let forms = [Form::Table, Form::ForeignTable, Form::View, Form::MaterializedView];
        let find = |schema: Option<&str>| {
            forms.iter().find_map(|form| {
                self.catalogue.of_form(*form).find(|relation| {
                    relation.name == named.name && schema.is_none_or(|schema| relation.schema == schema)
                })
            })
        };
        let relation = find(Some(&named.schema)).or_else(|| find(None))?;
        let part = match relation.form {
            Form::Table | Form::ForeignTable => "Tables",
            Form::View | Form::MaterializedView => "Views",
        };
        Some(format!("Database[{}]['{part}'][{}]", quoted(&relation.schema), quoted(&relation.name)))
    }
}

fn never(column: &Column) -> String {
    format!("{}?: never", quoted(&column.name))
}
