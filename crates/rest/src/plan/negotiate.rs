//! Which of the accepted media types is answered, and what builds it.

use super::{Output, Planner, Render};
use crate::error::Error;
use crate::request::{Action, Invoke, MediaType, Representation};
use crate::schema::QualifiedName;

impl<'a> Planner<'a> {
    /// The first accepted media type that can be produced for rows of `relation`. Handlers of the
    /// relation's row type apply only to whole rows; lines only to what is `streamable`.
    pub(super) fn negotiate(
        self,
        relation: &QualifiedName,
        whole_rows: bool,
        streamable: bool,
    ) -> Result<Output<'a>, Error> {
        let accept = &self.request.accept;
        let relation = whole_rows.then_some(relation);
        let mut output = accept
            .iter()
            .find_map(|media_type| self.output(media_type, relation, streamable))
            .ok_or_else(|| not_available(accept))?;
        if !self.wants_body() {
            output.render = Render::Nothing;
        }
        Ok(output)
    }

    fn wants_body(self) -> bool {
        match &self.request.action {
            Action::Mutate { .. } => self.request.preferences.representation == Some(Representation::Full),
            Action::Read { headers_only, .. } | Action::Call { invoke: Invoke::Get { headers_only }, .. } => {
                !headers_only
            }
            _ => true,
        }
    }

    fn output(
        self,
        media_type: &MediaType,
        relation: Option<&QualifiedName>,
        streamable: bool,
    ) -> Option<Output<'a>> {
        match media_type {
            MediaType::Plan { of, .. } => {
                let output = self.config.plan.then(|| self.output(of, relation, streamable))??;
                Some(Output { render: output.render, media_type: media_type.clone() })
            }
            // Ours alone: no handler of the database replaces them.
            MediaType::Singular { nulls_stripped } => Some(Output {
                render: Render::Singular { nulls_stripped: *nulls_stripped },
                media_type: media_type.clone(),
            }),
            MediaType::ArrayStripped => Some(Output {
                render: Render::Json { nulls_stripped: true },
                media_type: MediaType::ArrayStripped,
            }),
            other => self.handled(other, relation, streamable),
        }
    }

    fn handled(
        self,
        media_type: &MediaType,
        relation: Option<&QualifiedName>,
        streamable: bool,
    ) -> Option<Output<'a>> {
        let name = media_type.mime();
        let custom = |target: Option<&QualifiedName>, name: &str| {
            let handler = self.cache.media_handler(target, name)?;
            let render = Render::Custom { function: &handler.function, target: handler.target.as_ref() };
            Some(Output { render, media_type: MediaType::parse(&handler.media_type) })
        };
        relation
            .and_then(|relation| custom(Some(relation), "*/*").or_else(|| custom(Some(relation), &name)))
            .or_else(|| custom(None, &name))
            .or_else(|| built_in(media_type, streamable))
    }
}

fn built_in<'a>(media_type: &MediaType, streamable: bool) -> Option<Output<'a>> {
    let json = Render::Json { nulls_stripped: false };
    let (render, media_type) = match media_type {
        MediaType::Any | MediaType::Json => (json, MediaType::Json),
        MediaType::NdJson if streamable => (Render::Lines, MediaType::NdJson),
        MediaType::Csv => (Render::Csv, MediaType::Csv),
        MediaType::GeoJson => (Render::GeoJson, MediaType::GeoJson),
        _ => return None,
    };
    Some(Output { render, media_type })
}

pub(super) fn not_available(accept: &[MediaType]) -> Error {
    Error::MediaTypes(accept.iter().map(|media_type| media_type.mime()).collect())
}
