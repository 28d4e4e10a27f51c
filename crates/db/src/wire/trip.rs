//! Reading the answers to one trip.

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{Message, RowDescriptionBody};

use crate::statements::Statements;
use crate::{Error, ServerError};

use super::record::{Column, Columns, Record};
use super::{Prepared, Status, Step};

/// What came back.
#[derive(Debug)]
pub(crate) struct Trip {
    /// The rows of each step that ran to its end, in order.
    pub answers: Vec<Vec<Record>>,
    /// The columns of the step that was to be described.
    pub columns: Option<Columns>,
    /// What ended the trip early: the error of step `answers.len()`, or of the implicit end of
    /// the transaction if all steps were answered.
    pub error: Option<Error>,
    /// The step that failed had not begun to run: the server does not know the statement that it
    /// was to run, or knows another of that name.
    pub is_misplaced: bool,
}

/// A trip under way.
pub(super) struct Reading<'a> {
    steps: &'a [Step<'a>],
    /// (step, name) of the statements that are parsed on this trip to be kept.
    parsing: Vec<(usize, Box<str>)>,
    rows: Vec<Record>,
    is_bound: bool,
    trip: Trip,
}

impl<'a> Reading<'a> {
    pub(super) fn new(steps: &'a [Step<'a>]) -> Self {
        let answers = Vec::with_capacity(steps.len());
        let trip = Trip { answers, columns: None, error: None, is_misplaced: false };
        Self { steps, parsing: Vec::new(), rows: Vec::new(), is_bound: false, trip }
    }

    pub(super) fn steps(&self) -> &'a [Step<'a>] {
        self.steps
    }

    /// The step is parsed on this trip and kept under `name`, or its columns are known already.
    pub(super) fn expect(&mut self, step: usize, name: Option<Box<str>>, columns: Option<Columns>) {
        self.parsing.extend(name.map(|name| (step, name)));
        if self.steps.get(step).is_some_and(|step| step.describe) {
            self.trip.columns = columns;
        }
    }

    pub(super) fn into_trip(self) -> Trip {
        self.trip
    }

    /// The error for a connection that ended: what the server said last, if it said anything.
    pub(super) fn lost(&mut self) -> Error {
        self.trip.error.take().unwrap_or(Error::Closed)
    }

    /// Takes a message; a status says that it was the last one.
    pub(super) fn take(
        &mut self,
        message: Message,
        statements: &mut Statements<Prepared>,
        closing: &mut Vec<Box<str>>,
    ) -> Result<Option<Status>, Error> {
        match message {
            Message::DataRow(body) => self.rows.push(Record::new(&body)),
            Message::CommandComplete(_) | Message::EmptyQueryResponse => {
                self.trip.answers.push(std::mem::take(&mut self.rows));
                self.is_bound = false;
            }
            Message::RowDescription(body) => self.trip.columns = Some(columns(&body)?),
            Message::BindComplete => {
                self.is_bound = true;
                // By now it is parsed and described. Unnamed statements are so, too, and not kept.
                let step = self.trip.answers.len();
                let parsed = self.parsing.iter().position(|(index, _)| *index == step);
                if let (Some(parsed), Some(step)) = (parsed, self.steps.get(step)) {
                    let (_, name) = self.parsing.swap_remove(parsed);
                    let columns = self.trip.columns.clone().filter(|_| step.describe);
                    let replaced = statements.put(step.role, step.sql, Prepared { name, columns });
                    closing.extend(replaced.map(|statement| statement.name));
                }
            }
            Message::ErrorResponse(body) => {
                let error = ServerError::from(&body);
                self.trip.is_misplaced = !self.is_bound && matches!(error.code.as_str(), "26000" | "42P05");
                // A farewell may follow the error that matters.
                self.trip.error.get_or_insert(Error::Server(Box::new(error)));
            }
            Message::ReadyForQuery(body) => {
                // Parsed or not, they are not in use.
                closing.extend(self.parsing.drain(..).map(|(_, name)| name));
                return Ok(Some(match body.status() {
                    b'I' => Status::Idle,
                    b'T' => Status::Open,
                    _ => Status::Failed,
                }));
            }
            Message::ParseComplete
            | Message::ParameterDescription(_)
            | Message::NoData
            | Message::CloseComplete
            | Message::NoticeResponse(_)
            | Message::ParameterStatus(_)
            | Message::NotificationResponse(_) => {}
            _ => return Err(Error::Client("the server sent a message that nobody asked for".to_owned())),
        }
        Ok(None)
    }
}

fn columns(body: &RowDescriptionBody) -> Result<Columns, Error> {
    let fields = body.fields().map(|field| Ok(Column { name: field.name().into(), kind: field.type_oid() }));
    let columns: Vec<Column> = fields.collect().map_err(|error| Error::Client(error.to_string()))?;
    Ok(columns.into())
}
