//! Function calls.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::read::{Condition, Node};
use super::write::needed_columns;
use super::{Output, Planner};
use crate::error::Error;
use crate::request::{Handling, Invoke, Payload};
use crate::schema::{Param, QualifiedName, Routine, Volatility};

/// A function call.
#[derive(Clone, Debug)]
pub(crate) struct CallPlan<'a> {
    /// The function.
    pub routine: &'a Routine,
    /// Its arguments.
    pub arguments: Arguments<'a>,
    /// The columns wanted of its rows; empty or `*`: all. Means nothing for scalar results.
    pub returning: Vec<&'a str>,
    /// The shape of its rows in the answer.
    pub tree: Node<'a>,
    /// The answer's form.
    pub output: Output<'a>,
    /// How it was called.
    pub invoke: Invoke,
}

impl CallPlan<'_> {
    /// The transaction may write.
    pub fn may_write(&self) -> bool {
        !self.invoke.is_safe() && self.routine.volatility == Volatility::Volatile
    }
}

/// The arguments of a call.
#[derive(Clone, Debug)]
pub(crate) enum Arguments<'a> {
    /// One value each, from the query string or a form.
    Named(Vec<(&'a Param, Value<'a>)>),
    /// Keys of a JSON body; of an array the first object counts.
    Json {
        /// The body.
        json: &'a Bytes,
        /// The parameters that it gives values for.
        params: Vec<&'a Param>,
    },
    /// The whole body for the one unnamed parameter.
    Whole {
        /// The body.
        body: &'a Bytes,
        /// The parameter.
        param: &'a Param,
    },
}

/// The value of an argument.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    /// As sent.
    One(&'a str),
    /// All values of a repeated key, for a variadic parameter.
    Many(Vec<&'a str>),
}

static EMPTY: Bytes = Bytes::from_static(b"{}");

impl<'a> Planner<'a> {
    pub(super) fn call(self, name: &str, invoke: Invoke) -> Result<CallPlan<'a>, Error> {
        let request = self.request;
        let names: BTreeSet<&str> = match invoke {
            Invoke::Get { .. } => request.query.params.iter().map(|(name, _)| name.as_str()).collect(),
            Invoke::Post => request.columns.iter().map(String::as_str).collect(),
        };
        let routine = self.routine(name, &names, invoke)?;
        // A function that returns rows of a relation can embed what the relation can.
        let rows = routine.returned_relation().map_or(&routine.name.name, |relation| &relation.name);
        let relation = QualifiedName::new(routine.name.schema.clone(), rows.clone());
        let tree = self.tree(&relation)?;
        let arguments = self.arguments(routine, &names, invoke);
        let returning = returned_columns(&tree);
        let output = self.negotiate(&relation, tree.is_default_select(), routine.returns.is_set)?;
        self.check_preferences(false)?;
        let preferences = &request.preferences;
        let is_limited = preferences.max_affected.is_some() && preferences.handling == Some(Handling::Strict);
        if is_limited && !routine.returns.is_set {
            return Err(Error::MaxAffectedRoutine);
        }
        Ok(CallPlan { routine, arguments, returning, tree, output, invoke })
    }

    fn arguments(self, routine: &'a Routine, names: &BTreeSet<&str>, invoke: Invoke) -> Arguments<'a> {
        let values = match (invoke, &self.request.payload) {
            (Invoke::Get { .. }, _) => &self.request.query.params,
            (Invoke::Post, Some(Payload::Form(values))) => values,
            (Invoke::Post, payload) => {
                let body = match payload {
                    Some(Payload::Json { raw, .. } | Payload::RawJson(raw) | Payload::Raw(raw)) => raw,
                    Some(Payload::Form(_)) | None => &EMPTY,
                };
                if let Some(param) = routine.unnamed_param() {
                    return Arguments::Whole { body, param };
                }
                let params = routine.params.iter().filter(|param| names.contains(&*param.name));
                return Arguments::Json { json: body, params: params.collect() };
            }
        };
        let given = routine.params.iter().filter_map(|param| Some((param, value_of(param, values)?)));
        Arguments::Named(given.collect())
    }
}

/// The last value counts, unless the parameter takes all.
fn value_of<'a>(param: &Param, values: &'a [(String, String)]) -> Option<Value<'a>> {
    let mut own = values.iter().filter(|(name, _)| **name == *param.name).map(|(_, value)| value.as_str());
    if param.is_variadic {
        let all: Vec<_> = own.collect();
        return (!all.is_empty()).then_some(Value::Many(all));
    }
    own.next_back().map(Value::One)
}

/// The columns that the answer is built from, those it is filtered and sorted by included.
fn returned_columns<'a>(tree: &Node<'a>) -> Vec<&'a str> {
    let mut needed = needed_columns(tree, std::iter::empty());
    if !needed.is_empty() && !needed.contains("*") {
        tree.filters.iter().for_each(|condition| filtered_columns(condition, &mut needed));
        let own_terms = tree.order.iter().filter(|term| term.child.is_none());
        needed.extend(own_terms.map(|term| term.field.name));
    }
    needed.into_iter().collect()
}

fn filtered_columns<'a>(condition: &Condition<'a>, columns: &mut BTreeSet<&'a str>) {
    match condition {
        Condition::Group { children, .. } => {
            children.iter().for_each(|child| filtered_columns(child, columns));
        }
        Condition::Filter { field, .. } => {
            columns.insert(field.name);
        }
        // A call is not continued by key.
        Condition::Embedded { .. } | Condition::After(_) => {}
    }
}
