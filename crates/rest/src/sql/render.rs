//! The body, built by the database.

use crate::plan::Render;
use crate::schema::Routine;

use super::fragment::Sql;
use super::{ROWS, SCALAR};

/// The rows of the answer under a name, for forms that need them twice.
pub(super) const NAMED_ROWS: &str = "basalt_page";

impl Sql {
    /// The body of [`ROWS`]; `routine` is the function they come from.
    pub fn body(&mut self, render: &Render<'_>, routine: Option<&Routine>) -> &mut Self {
        let is_scalar = routine.is_some_and(Routine::returns_scalar);
        let is_scalars = routine.is_some_and(Routine::returns_set_of_scalar);
        let is_row = routine.is_some_and(Routine::returns_single_composite);
        match render {
            Render::Nothing => self.push("''::text"),
            Render::Json { nulls_stripped } => {
                self.json(is_scalar || is_scalars, is_scalar || is_row, *nulls_stripped)
            }
            Render::Singular { nulls_stripped } => self.json(is_scalar, true, *nulls_stripped),
            Render::Lines => self.push("coalesce(string_agg(").line(is_scalars).push(" || E'\\n', ''), '')"),
            Render::Csv => self.csv(),
            Render::GeoJson => self.push(
                "json_build_object('type', 'FeatureCollection', 'features', \
                 coalesce(json_agg(ST_AsGeoJSON(basalt_rows)::json), '[]'))",
            ),
            Render::Custom { function, target } => {
                self.qualified(function).push("(").push(ROWS);
                match target {
                    _ if is_scalar => self.push(".").push(SCALAR),
                    Some(target) => self.push("::").qualified(target),
                    None => self,
                };
                self.push(")")
            }
        }
    }

    /// An array of rows or scalars, or its first element.
    fn json(&mut self, of_scalars: bool, first: bool, nulls_stripped: bool) -> &mut Self {
        self.push("coalesce(");
        self.push(if nulls_stripped { "json_strip_nulls(" } else { "(" });
        self.push("json_agg(").push(ROWS);
        if of_scalars {
            self.push(".").push(SCALAR);
        }
        self.push(if first { ")->0), 'null')" } else { ")), '[]')" })
    }

    /// A row or scalar as JSON on one line. The breaks in such a text are mere space: of arrays of
    /// rows, and of values of type `json` as somebody wrote them.
    pub fn line(&mut self, of_scalars: bool) -> &mut Self {
        self.push("replace(replace(");
        match of_scalars {
            true => self.push("to_json(").push(ROWS).push(".").push(SCALAR),
            false => self.push("row_to_json(").push(ROWS),
        };
        self.push(")::text, E'\\n', ' '), E'\\r', ' ')")
    }

    /// A line of keys, then each row in the database's own text form without its parentheses.
    fn csv(&mut self) -> &mut Self {
        self.push("(SELECT coalesce(string_agg(key, ','), '') FROM (SELECT json_object_keys(row_to_json(first)) AS key");
        self.push(" FROM (SELECT * FROM ").push(NAMED_ROWS).push(" LIMIT 1) first) keys) || E'\\n' || ");
        self.push("coalesce(string_agg(substring(basalt_rows::text, 2, length(basalt_rows::text) - 2), E'\\n'), '')")
    }

    /// Settings that the database may have made to change the answer.
    pub fn response_settings(&mut self) -> &mut Self {
        self.push("nullif(current_setting('response.headers', true), ''), ");
        self.push("nullif(current_setting('response.status', true), '')")
    }
}
