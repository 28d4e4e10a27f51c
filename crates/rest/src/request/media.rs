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
