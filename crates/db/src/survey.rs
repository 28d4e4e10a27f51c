//! The same kind of question to many callers, in one round trip.
//!
//! Whether a row is visible depends on who looks. A survey is one read-only transaction in which each
//! [`Question`] begins like a [`Flight`](crate::Flight): every setting of the session is reset, then those of
//! the caller take effect, its role among them; so nothing that a policy of one caller left in the session
//! reaches the next. A question that fails ends the trip; it has its error as its answer, and those behind it
//! travel again without it.

use crate::Error;
use crate::fleet::Fleet;
use crate::flight::{Access, Isolation, Query, RESET, ROLLBACK, Setting, begin, settings};
use crate::wire::{Record, Step, Values};

/// What one caller is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The role that the settings switch to.
    pub role: &'a str,
    /// Local settings in the order in which they take effect; `role` is one of them.
    pub settings: &'a [Setting<'a>],
    /// The statements whose rows are the answer.
    pub queries: &'a [Query<'a>],
}

impl Question<'_> {
    /// Resetting, the settings, the statements.
    fn len(&self) -> usize {
        2 + self.queries.len()
    }
}

/// The rows of each statement of a question, or why there are none.
pub type Answer = Result<Vec<Vec<Record>>, Error>;

impl Fleet {
    /// Asks all questions; as many answers, in the same order.
    ///
    /// # Errors
    ///
    /// No connection, or a lost one. What Postgres says about one question is its answer.
    pub async fn survey(&self, questions: &[Question<'_>]) -> Result<Vec<Answer>, Error> {
        let mut lease = self.lease().await?;
        let mut answers = Vec::with_capacity(questions.len());
        let mut has_retried = false;
        while answers.len() < questions.len() {
            let rest = &questions[answers.len()..];
            let mut trip = lease.travel(&steps(rest)).await?;
            let is_complete = trip.answers.len() > rest.iter().map(Question::len).sum::<usize>();
            if !is_complete {
                lease.settle().await?;
                if !std::mem::replace(&mut has_retried, true) && lease.may_retry(&trip) {
                    continue;
                }
            } else if trip.error.is_some() {
                lease.spoil();
            }
            let mut rows = trip.answers.drain(..);
            // The beginning of the transaction.
            let has_begun = rows.next().is_some();
            for question in rest {
                if rows.len() < question.len() {
                    let error = trip.error.take().unwrap_or(Error::Closed);
                    if !has_begun {
                        return Err(error);
                    }
                    answers.push(Err(error));
                    break;
                }
                answers.push(Ok(rows.by_ref().take(question.len()).skip(2).collect()));
            }
        }
        Ok(answers)
    }
}

fn steps<'a>(questions: &'a [Question<'a>]) -> Vec<Step<'a>> {
    let mut steps = vec![Step::plain(begin(Access::ReadOnly, Isolation::ReadCommitted))];
    for question in questions {
        steps.extend([RESET, settings(question.settings, false)]);
        let query = |query: &Query<'a>| Step::new(question.role, query.sql, Values::Texts(query.params));
        steps.extend(question.queries.iter().map(query));
    }
    steps.extend([ROLLBACK, RESET]);
    steps
}
