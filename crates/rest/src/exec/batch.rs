//! Several requests of one caller in one transaction.
//!
//! Each runs as it would alone: with its own settings, the function of `pre_request` before it, and
//! no right to write if it is one that may not. Only the end is common.

use db::{Access, Fleet, Isolation, Journey, Leg};

use super::{
    Context, Outcome, Rules, access, cost, estimate, isolation, query, refusal, rolls_back, row, settings,
};
use crate::config::Config;
use crate::error::Error;
use crate::exec::Rows;
use crate::plan::Plan;
use crate::request::{ApiRequest, Preferences};
use crate::sql;

/// A transaction under way.
pub(crate) struct Batch<'a> {
    journey: Journey,
    context: Context<'a>,
    /// A request was run, and neither kept nor forgotten yet.
    is_open: bool,
}

/// Runs one request in a transaction of its own, where a single round trip is not enough.
///
/// # Errors
///
/// As [`Batch::run`] and [`Batch::finish`].
pub(super) async fn alone(
    fleet: &Fleet,
    request: &ApiRequest,
    plan: &Plan<'_>,
    context: Context<'_>,
) -> Result<Option<Outcome>, Error> {
    let mut transaction = Batch::begin(fleet, std::iter::once(plan), context).await?;
    match transaction.run(request, plan).await {
        Ok(outcome) => transaction.finish(&request.preferences).await.map(|_| outcome),
        Err(error) => {
            transaction.abandon().await?;
            Err(error)
        }
    }
}

impl<'a> Batch<'a> {
    /// Begins a transaction that suits all `plans`: it may write if one of them may, and is
    /// isolated as the most demanding one is.
    ///
    /// # Errors
    ///
    /// No connection.
    pub async fn begin<'p>(
        fleet: &Fleet,
        plans: impl Iterator<Item = &'p Plan<'p>> + Clone,
        context: Context<'a>,
    ) -> Result<Self, Error> {
        let writes = plans.clone().any(|plan| access(plan) == Access::ReadWrite);
        let access = if writes { Access::ReadWrite } else { Access::ReadOnly };
        let isolation = plans.map(|plan| isolation(plan, context.role_settings)).max();
        let begun = fleet.journey(access, isolation.unwrap_or(Isolation::ReadCommitted)).await;
        let journey = begun.map_err(|error| refusal(error, context))?;
        Ok(Self { journey, context, is_open: false })
    }

    /// The settings of the service.
    pub fn config(&self) -> &'a Config {
        self.context.config
    }

    /// Runs a request; none for plans that need no database. Then it is to be kept or forgotten.
    ///
    /// # Errors
    ///
    /// What the database refused, or a rule that the rows broke: then it is forgotten.
    pub async fn run(&mut self, request: &ApiRequest, plan: &Plan<'_>) -> Result<Option<Outcome>, Error> {
        let result = self.fly(request, plan).await;
        if result.is_err() {
            self.forget().await?;
        }
        result
    }

    async fn fly(&mut self, request: &ApiRequest, plan: &Plan<'_>) -> Result<Option<Outcome>, Error> {
        let Context { config, identity, limits, .. } = self.context;
        let Some(statement) = sql::statement(request, plan, limits) else { return Ok(None) };
        let role = identity.role.as_str();
        let settings = settings::of(request, plan, self.context);
        let before = config.pre_request.as_deref().map(sql::call_without_arguments);
        let leg = Leg {
            role,
            access: access(plan),
            settings: &settings,
            before: before.as_deref(),
            main: query(&statement.main),
        };
        let rows = cost::fly(&mut self.journey, leg, statement.price(), self.context).await?;
        self.is_open = true;
        if statement.is_explain {
            return Ok(Some(Outcome::Explained(row::explained(&rows)?)));
        }
        let mut rows = Rows::read(rows.first())?;
        Rules::of(request, plan).check(rows.page)?;
        let planned = match &statement.count {
            Some(count) => {
                let planned = self.journey.query(role, query(count)).await;
                row::planned(&planned.map_err(|error| refusal(error, self.context))?)
            }
            None => None,
        };
        rows.total = estimate(request, plan, limits, rows.total, planned);
        Ok(Some(Outcome::Rows(rows)))
    }

    /// Keeps what the last request did, as far as the end of the transaction will.
    ///
    /// # Errors
    ///
    /// A lost connection.
    pub async fn keep(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.is_open) {
            self.journey.keep().await.map_err(|error| refusal(error, self.context))?;
        }
        Ok(())
    }

    /// As [`Batch::keep`], for a request that stands for itself: deferred constraints hold for it.
    ///
    /// # Errors
    ///
    /// A violated constraint: then it is forgotten.
    pub async fn keep_checked(&mut self) -> Result<(), Error> {
        if self.is_open
            && let Err(error) = self.journey.check().await
        {
            self.forget().await?;
            return Err(refusal(error, self.context));
        }
        self.keep().await
    }

    /// Undoes what the last request did.
    ///
    /// # Errors
    ///
    /// A lost connection.
    pub async fn forget(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.is_open) {
            self.journey.forget().await.map_err(|error| refusal(error, self.context))?;
        }
        Ok(())
    }

    /// Undoes everything.
    ///
    /// # Errors
    ///
    /// A lost connection.
    pub async fn abandon(self) -> Result<(), Error> {
        let context = self.context;
        self.journey.rollback().await.map_err(|error| refusal(error, context))
    }

    /// Ends the transaction as settings and preferences say; true if its work was kept.
    ///
    /// # Errors
    ///
    /// A deferred constraint; then nothing was kept.
    pub async fn finish(self, preferences: &Preferences) -> Result<bool, Error> {
        let context = self.context;
        let rolls_back = rolls_back(preferences, context.config);
        let finished = match rolls_back {
            true => self.journey.check_and_rollback().await,
            false => self.journey.commit().await,
        };
        finished.map_err(|error| refusal(error, context))?;
        Ok(!rolls_back)
    }
}
