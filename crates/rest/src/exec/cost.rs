//! The cap on what a statement may cost, by the planner's own estimate.

use db::{Journey, Leg, Record};

use super::{Context, query, refusal, row};
use crate::error::Error;
use crate::sql::Statement;

/// Runs a leg. If its caller may only spend so much, the planner is asked what `price` says about
/// the statement, in the same transaction and with the same settings, before the statement runs.
///
/// # Errors
///
/// What the database refused, or a statement that is too expensive; then nothing of the leg is
/// left.
pub(super) async fn fly(
    journey: &mut Journey,
    leg: Leg<'_>,
    price: Option<Statement>,
    context: Context<'_>,
) -> Result<Vec<Record>, Error> {
    let refused = |error| refusal(error, context);
    let (Some(limit), Some(price)) = (context.limits.max_plan_cost, price) else {
        return journey.fly(&leg).await.map_err(refused);
    };
    let (role, main) = (leg.role, leg.main);
    let estimate = journey.fly(&Leg { main: query(&price), ..leg }).await.map_err(refused)?;
    let result = match row::cost(&estimate) {
        // Estimates are no exact numbers; those beyond 2^53 are all the same.
        #[allow(clippy::cast_precision_loss)]
        Some(cost) if cost <= limit as f64 => journey.query(role, main).await.map_err(refused),
        Some(_) => Err(Error::PlanCost(limit)),
        None => Err(Error::Internal("a plan without a cost".to_owned())),
    };
    if result.is_err() {
        journey.forget().await.map_err(refused)?;
    }
    result
}
