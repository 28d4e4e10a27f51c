//! Reading the answers to one trip.

use postgres_protocol::message::backend::Message;

use crate::statements::Statements;
use crate::{Error, ServerError};

use super::record::Record;
use super::{Name, Status, Step};

/// What came back.
#[derive(Debug)]
pub(crate) struct Trip {
    /// The rows of each step that ran to its end, in order.
    pub answers: Vec<Vec<Record>>,
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
    /// (step, name) of the statements that are parsed on this trip.
    parsing: Vec<(usize, Name)>,
    rows: Vec<Record>,
    is_bound: bool,
    trip: Trip,
}

impl<'a> Reading<'a> {
    pub(super) fn new(steps: &'a [Step<'a>]) -> Self {
        let answers = Vec::with_capacity(steps.len());
        let trip = Trip { answers, error: None, is_misplaced: false };
        Self { steps, parsing: Vec::new(), rows: Vec::new(), is_bound: false, trip }
    }

    pub(super) fn steps(&self) -> &'a [Step<'a>] {
        self.steps
    }

    pub(super) fn expect_parsed(&mut self, step: usize, name: Name) {
        self.parsing.push((step, name));
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
        statements: &mut Statements<Name>,
        closing: &mut Vec<Name>,
    ) -> Result<Option<Status>, Error> {
        match message {
            Message::DataRow(body) => self.rows.push(Record::new(&body)),
            Message::BindComplete => self.is_bound = true,
            Message::CommandComplete(_) | Message::EmptyQueryResponse => {
                self.trip.answers.push(std::mem::take(&mut self.rows));
                self.is_bound = false;
            }
            Message::ParseComplete => {
                let step = self.trip.answers.len();
                let parsed = self.parsing.iter().position(|(index, _)| *index == step);
                // Unnamed statements are parsed, too, and not kept.
                if let (Some(parsed), Some(step)) = (parsed, self.steps.get(step)) {
                    let (_, name) = self.parsing.swap_remove(parsed);
                    closing.extend(statements.put(step.role, step.sql, name));
                }
            }
            Message::ErrorResponse(body) => {
                let error = ServerError::from(&body);
                self.trip.is_misplaced = !self.is_bound && matches!(error.code.as_str(), "26000" | "42P05");
                // A farewell may follow the error that matters.
                self.trip.error.get_or_insert(Error::Server(Box::new(error)));
            }
            Message::ReadyForQuery(body) => {
                return Ok(Some(match body.status() {
                    b'I' => Status::Idle,
                    b'T' => Status::Open,
                    _ => Status::Failed,
                }));
            }
            Message::CloseComplete
            | Message::NoticeResponse(_)
            | Message::ParameterStatus(_)
            | Message::NotificationResponse(_) => {}
            _ => return Err(Error::Client("the server sent a message that nobody asked for".to_owned())),
        }
        Ok(None)
    }
}
