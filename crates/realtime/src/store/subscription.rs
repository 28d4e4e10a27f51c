//! Subscriptions to row changes as the database knows them.
//!
//! Whether one is possible is found out by inserting its rows into `realtime.subscription`, whose trigger checks
//! them as upstream's does; nothing of it is kept, because subscriptions live in memory.

use db::{Error, Session};
use uuid::Uuid;

use crate::changes::wanted::Wanted;

const INSERT: &str = "
    with entities as (
      select c.oid::regclass as entity
        from pg_catalog.pg_publication_tables p
        join pg_catalog.pg_namespace n on n.nspname = p.schemaname
        join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = p.tablename
       where p.pubname = $1
         and ($2 = '*' or p.schemaname = $2)
         and ($3 = '*' or p.tablename = $3)
    )
    insert into realtime.subscription (subscription_id, entity, filters, claims, action_filter, selected_columns)
    select $4, e.entity,
           (select coalesce(array_agg(row(f.c, f.o::realtime.equality_op, f.v, f.n)::realtime.user_defined_filter), '{}')
              from unnest($5::text[], $6::text[], $7::text[], $8::boolean[]) f(c, o, v, n)),
           $9::text::jsonb, $10, $11
      from entities e";

/// For how many tables a subscription of somebody with these claims (JSON) is possible.
///
/// # Errors
///
/// Why it is not; the transaction has failed then.
pub(crate) async fn insert(
    transaction: &mut Session,
    publication: &str,
    wanted: &Wanted,
    claims: &str,
) -> Result<u64, Error> {
    let filters = &wanted.filters;
    let columns: Vec<&str> = filters.iter().map(|filter| filter.column.as_str()).collect();
    let ops: Vec<&str> = filters.iter().map(|filter| filter.op.name()).collect();
    let values: Vec<&str> = filters.iter().map(|filter| filter.value.as_str()).collect();
    let negations: Vec<bool> = filters.iter().map(|filter| filter.negate).collect();
    let action = wanted.event.name();
    transaction
        .execute(
            INSERT,
            &[
                &publication,
                &wanted.schema,
                &wanted.table,
                &Uuid::new_v4(),
                &columns,
                &ops,
                &values,
                &negations,
                &claims,
                &action,
                &wanted.select,
            ],
        )
        .await
}
