//! Which overload a call means.

use std::collections::BTreeSet;

use super::Planner;
use crate::error::{Error, NoFunction};
use crate::request::{Invoke, MediaType};
use crate::schema::{QualifiedName, Routine};

impl<'a> Planner<'a> {
    /// The one function of that name that takes arguments of these names.
    ///
    /// Parameters matched by name win over a single unnamed one that would take the whole body.
    pub(super) fn routine(
        self,
        name: &str,
        arguments: &BTreeSet<&str>,
        invoke: Invoke,
    ) -> Result<&'a Routine, Error> {
        let name = QualifiedName::new(self.request.schema.as_str(), name);
        let is_post = !invoke.is_safe();
        let content_type = &self.request.content_type;
        let takes_whole = is_post.then_some(content_type);
        let overloads = self.cache.routines(&name);
        let by_name: Vec<_> =
            overloads.iter().filter(|routine| is_named_match(routine, arguments, takes_whole)).collect();
        let by_body: Vec<_> = overloads.iter().filter(|routine| takes_body(routine, takes_whole)).collect();
        match (by_name.as_slice(), by_body.as_slice()) {
            ([one], _) | ([], [one]) => Ok(one),
            ([], []) => Err(Error::NoFunction(Box::new(NoFunction {
                schema: self.request.schema.clone(),
                arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
                content_type: content_type.clone(),
                is_post,
                suggestion: self.cache.similar_routine(&name, arguments.iter().copied()),
                name: name.name.to_string(),
            }))),
            ([], several) | (several, _) => {
                Err(Error::AmbiguousFunction(several.iter().map(|routine| signature(routine)).collect()))
            }
        }
    }
}

/// `body` is the media type of a POST.
fn is_named_match(routine: &Routine, arguments: &BTreeSet<&str>, body: Option<&MediaType>) -> bool {
    if routine.params.is_empty() {
        let is_raw = matches!(body, Some(MediaType::TextPlain | MediaType::TextXml | MediaType::OctetStream));
        return arguments.is_empty() && !is_raw;
    }
    let all_given =
        routine.params.iter().filter(|param| param.is_required).all(|param| arguments.contains(&*param.name));
    let all_known =
        arguments.iter().all(|argument| routine.params.iter().any(|param| &*param.name == *argument));
    all_given && all_known
}

fn takes_body(routine: &Routine, body: Option<&MediaType>) -> bool {
    let Some(param) = routine.unnamed_param() else { return false };
    matches!(
        (body, &*param.data_type),
        (Some(MediaType::Json), "json" | "jsonb")
            | (Some(MediaType::TextPlain), "text")
            | (Some(MediaType::TextXml), "xml")
            | (Some(MediaType::OctetStream), "bytea")
    )
}

fn signature(routine: &Routine) -> String {
    let params: Vec<_> =
        routine.params.iter().map(|param| format!("{} => {}", param.name, param.data_type)).collect();
    format!("{}({})", routine.name, params.join(", "))
}
