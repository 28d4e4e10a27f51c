//! Media types: `Accept` and `Content-Type`.

/// A media type, as far as the API tells them apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MediaType {
    /// `application/json`, also `application/vnd.pgrst.array`.
    Json,
    /// `application/vnd.pgrst.array+json;nulls=stripped`.
    ArrayStripped,
    /// `application/vnd.pgrst.object`: exactly one row.
    Singular {
        /// `nulls=stripped`: keys whose value is null are left out.
        nulls_stripped: bool,
    },
    /// `application/geo+json`.
    GeoJson,
    /// `text/csv`.
    Csv,
    /// `text/plain`.
    TextPlain,
    /// `text/xml`.
    TextXml,
    /// `application/openapi+json`.
    OpenApi,
    /// `application/vnd.oai.openapi+json;version=3.1`, in exactly this spelling: ours.
    OpenApi31,
    /// `application/x-ndjson`, in exactly this spelling: ours.
    NdJson,
    /// `application/x-www-form-urlencoded`.
    UrlEncoded,
    /// `application/octet-stream`.
    OctetStream,
    /// `application/vnd.pgrst.plan`: the execution plan instead of the rows.
    Plan {
        /// The media type whose query is explained.
        of: Box<MediaType>,
        /// The form of the plan.
        format: PlanFormat,
        /// What `EXPLAIN` is told to add.
        options: Vec<PlanOption>,
    },
    /// `*/*`.
    Any,
    /// Anything else, as sent.
    Other(String),
}

/// The form of an execution plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PlanFormat {
    /// `+json`
    Json,
    /// `+text`, and the default.
    Text,
}

/// An option of `EXPLAIN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PlanOption {
    /// `analyze`
    Analyze,
    /// `verbose`
    Verbose,
    /// `settings`
    Settings,
    /// `buffers`
    Buffers,
    /// `wal`
    Wal,
}

/// Lines of JSON.
const NDJSON: &str = "application/x-ndjson";

/// The registered name of OpenAPI's own media type.
const OPENAPI_31: &str = "application/vnd.oai.openapi+json;version=3.1";

impl MediaType {
    /// Reads one media type with its parameters; what is not understood is [`Self::Other`].
    pub fn parse(text: &str) -> Self {
        match text {
            OPENAPI_31 => return Self::OpenApi31,
            NDJSON => return Self::NdJson,
            _ => {}
        }
        let other = || Self::Other(text.to_owned());
        let Some(Tokens { kind, subtype, parameters }) = tokens(text) else { return other() };
        let parameter = |name: &str| {
            parameters.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
        };
        let nulls_stripped = parameter("nulls") == Some("stripped");
        let plan = |format| {
            let chosen: Vec<_> = parameter("options").unwrap_or_default().split('|').collect();
            Self::Plan {
                of: Box::new(Self::plain(parameter("for").unwrap_or("application/json"))),
                format,
                options: PlanOption::ALL
                    .into_iter()
                    .filter(|option| chosen.contains(&option.name()))
                    .collect(),
            }
        };
        match (kind.as_str(), subtype.as_str()) {
            ("application", "json") => Self::Json,
            ("application", "geo+json") => Self::GeoJson,
            ("application", "openapi+json") => Self::OpenApi,
            ("application", "x-www-form-urlencoded") => Self::UrlEncoded,
            ("application", "octet-stream") => Self::OctetStream,
            ("application", "vnd.pgrst.object" | "vnd.pgrst.object+json") => {
                Self::Singular { nulls_stripped }
            }
            ("application", "vnd.pgrst.array" | "vnd.pgrst.array+json") if nulls_stripped => {
                Self::ArrayStripped
            }
            ("application", "vnd.pgrst.array" | "vnd.pgrst.array+json") => Self::Json,
            ("application", "vnd.pgrst.plan" | "vnd.pgrst.plan+text") => plan(PlanFormat::Text),
            ("application", "vnd.pgrst.plan+json") => plan(PlanFormat::Json),
            ("text", "csv") => Self::Csv,
            ("text", "plain") => Self::TextPlain,
            ("text", "xml") => Self::TextXml,
            ("*", "*") => Self::Any,
            _ => other(),
        }
    }

    /// Reads the media type that a plan is of. A plan of a plan is one of its rows: this ends
    /// the recursion that a client could otherwise ask for.
    fn plain(text: &str) -> Self {
        match tokens(text) {
            Some(Tokens { subtype, .. }) if subtype.starts_with("vnd.pgrst.plan") => Self::Json,
            _ => Self::parse(text),
        }
    }

    /// Reads an `Accept` header into the acceptable types, best first.
    pub(super) fn parse_accept(header: &str) -> Vec<Self> {
        let mut ranked: Vec<(f64, isize, String)> = split_unquoted(header, ',')
            .map(|item| {
                let item: String = item.chars().filter(|c| *c != ' ').collect();
                let (media, quality) = match item.split_once(";q=") {
                    Some((media, rest)) => {
                        let quality = rest.split(';').next().and_then(|text| text.parse().ok());
                        (media.to_owned(), quality.unwrap_or(1.0))
                    }
                    None => (item, 1.0),
                };
                // Parameters make a type more specific, wildcards less.
                let specificity = media.chars().map(|c| isize::from(c == ';') - isize::from(c == '*')).sum();
                (quality, specificity, media)
            })
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
        ranked.into_iter().map(|(_, _, media)| Self::parse(&media)).collect()
    }

    /// The media type without charset.
    pub fn mime(&self) -> String {
        match self {
            Self::Json => "application/json".to_owned(),
            Self::ArrayStripped => "application/vnd.pgrst.array+json;nulls=stripped".to_owned(),
            Self::Singular { nulls_stripped: true } => {
                "application/vnd.pgrst.object+json;nulls=stripped".to_owned()
            }
            Self::Singular { nulls_stripped: false } => "application/vnd.pgrst.object+json".to_owned(),
            Self::GeoJson => "application/geo+json".to_owned(),
            Self::Csv => "text/csv".to_owned(),
            Self::TextPlain => "text/plain".to_owned(),
            Self::TextXml => "text/xml".to_owned(),
            Self::OpenApi => "application/openapi+json".to_owned(),
            Self::OpenApi31 => OPENAPI_31.to_owned(),
            Self::NdJson => NDJSON.to_owned(),
            Self::UrlEncoded => "application/x-www-form-urlencoded".to_owned(),
            Self::OctetStream => "application/octet-stream".to_owned(),
            Self::Any => "*/*".to_owned(),
            Self::Other(text) => text.clone(),
            Self::Plan { of, format, options } => {
                let format = match format {
                    PlanFormat::Json => "json",
                    PlanFormat::Text => "text",
                };
                let options: Vec<_> = options.iter().map(|option| option.name()).collect();
                let options = match options.as_slice() {
                    [] => String::new(),
                    some => format!("; options={}", some.join("|")),
                };
                format!("application/vnd.pgrst.plan+{format}; for=\"{}\"{options}", of.mime())
            }
        }
    }

    /// The value of `Content-Type`.
    pub fn content_type(&self) -> String {
        match self {
            Self::OctetStream | Self::OpenApi31 | Self::NdJson | Self::Other(_) => self.mime(),
            text => text.mime() + "; charset=utf-8",
        }
    }
}

impl PlanOption {
    const ALL: [Self; 5] = [Self::Analyze, Self::Verbose, Self::Settings, Self::Buffers, Self::Wal];

    /// The name in the media type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Analyze => "analyze",
            Self::Verbose => "verbose",
            Self::Settings => "settings",
            Self::Buffers => "buffers",
            Self::Wal => "wal",
        }
    }
}

/// The parts of a media type, all but the values in lower case.
struct Tokens {
    kind: String,
    subtype: String,
    parameters: Vec<(String, String)>,
}

/// Takes a media type apart. What follows parameters that are
/// understood is ignored.
fn tokens(text: &str) -> Option<Tokens> {
    let mut parts = split_unquoted(text, ';');
    let (kind, subtype) = parts.next()?.trim_end().split_once('/')?;
    let fits = |text: &str, extra: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || extra.contains(c))
    };
    if !fits(kind, ".*") || !fits(subtype, ".*+-") {
        return None;
    }
    let parameters = parts
        .map_while(|part| {
            let (name, value) = part.split_once('=')?;
            let (name, value) = (name.trim(), value.trim());
            let value = match value.strip_prefix('"') {
                Some(quoted) => quoted.strip_suffix('"')?,
                None => fits(value, "|-").then_some(value)?,
            };
            fits(name, "-").then(|| (name.to_lowercase(), value.to_owned()))
        })
        .collect();
    Some(Tokens { kind: kind.to_lowercase(), subtype: subtype.to_lowercase(), parameters })
}

/// `text` between the separators that are not inside double quotes.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.split(move |c| {
        inside ^= c == '"';
        c == separator && !inside
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(of: MediaType, format: PlanFormat, options: &[PlanOption]) -> MediaType {
        MediaType::Plan { of: Box::new(of), format, options: options.to_vec() }
    }

    #[test]
    fn types_as_upstream_reads_them() {
        use PlanFormat::{Json, Text};
        for (text, expected) in [
            ("application/json", MediaType::Json),
            ("application/json;charset=utf-8", MediaType::Json),
            ("Application/JSON ; a=b", MediaType::Json),
            ("application/vnd.pgrst.plan;", plan(MediaType::Json, Text, &[])),
            ("application/vnd.pgrst.plan;for=\"application/json\"", plan(MediaType::Json, Text, &[])),
            (
                "application/vnd.pgrst.plan ; for=\"text/xml\" ; options=analyze",
                plan(MediaType::TextXml, Text, &[PlanOption::Analyze]),
            ),
            (
                "application/vnd.pgrst.plan+json; For=\"text/csv\"; options=wal|verbose|x",
                plan(MediaType::Csv, Json, &[PlanOption::Verbose, PlanOption::Wal]),
            ),
            (
                "application/vnd.pgrst.plan; for=\"application/vnd.pgrst.object+json;nulls=stripped\"",
                plan(MediaType::Singular { nulls_stripped: true }, Text, &[]),
            ),
            ("application/vnd.pgrst.array+json;nulls=stripped", MediaType::ArrayStripped),
            ("application/vnd.pgrst.array+json", MediaType::Json),
            ("ApplicatIon/vnd.PgRsT.object+json", MediaType::Singular { nulls_stripped: false }),
            ("application/vnd.pgrst.object;nulls=stripped", MediaType::Singular { nulls_stripped: true }),
            ("application/vnd.twkb", MediaType::Other("application/vnd.twkb".to_owned())),
            ("*/*", MediaType::Any),
            ("application/vnd.oai.openapi+json;version=3.1", MediaType::OpenApi31),
            (
                "application/vnd.oai.openapi+json;version=3.0",
                MediaType::Other("application/vnd.oai.openapi+json;version=3.0".to_owned()),
            ),
            ("application/x-ndjson", MediaType::NdJson),
            ("application/X-NDJSON", MediaType::Other("application/X-NDJSON".to_owned())),
            ("nonsense", MediaType::Other("nonsense".to_owned())),
            ("", MediaType::Other(String::new())),
        ] {
            assert_eq!(MediaType::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn accept_is_ordered_by_quality_then_by_how_much_it_says() {
        for (header, expected) in [
            ("text/csv", vec!["text/csv"]),
            ("*/*, text/csv", vec!["text/csv", "*/*"]),
            ("text/csv;q=0.5, application/json", vec!["application/json", "text/csv"]),
            ("text/*, text/csv, */*;q=0.9", vec!["text/csv", "text/*", "*/*"]),
            ("text/csv; q=0.5 , text/xml;q=x", vec!["text/xml", "text/csv"]),
            ("a/b, c/d", vec!["a/b", "c/d"]),
        ] {
            let parsed: Vec<_> = MediaType::parse_accept(header).iter().map(MediaType::mime).collect();
            assert_eq!(parsed, expected, "{header}");
        }
    }

    #[test]
    fn content_types() {
        for (accept, expected) in [
            ("application/json", "application/json; charset=utf-8"),
            ("application/octet-stream", "application/octet-stream"),
            ("application/vnd.twkb", "application/vnd.twkb"),
            (
                "application/vnd.pgrst.plan+json;options=verbose|analyze",
                "application/vnd.pgrst.plan+json; for=\"application/json\"; options=analyze|verbose; charset=utf-8",
            ),
        ] {
            assert_eq!(MediaType::parse(accept).content_type(), expected);
        }
    }

    #[test]
    fn a_plan_of_a_plan_ends() {
        let nested = "application/vnd.pgrst.plan; for=\"application/vnd.pgrst.plan; for=x\"";
        assert_eq!(MediaType::parse(nested), plan(MediaType::Json, PlanFormat::Text, &[]));
    }
}
