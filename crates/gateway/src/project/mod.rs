//! A project folder: what the Supabase command line keeps in `supabase/`, with the same meaning.
//!
//! ```text
//! supabase/config.toml                     [db.seed] and [db.vault] are read here, the rest by `settings`
//! supabase/migrations/<version>_<name>.sql applied once, in order; `history` remembers them
//! supabase/seed.sql                        data to begin with
//! ```
//!
//! - `folder`: the files; `split`: a file into statements; `plan`: what is to be done, purely.
//! - `history`: the tables of schema `supabase_migrations`; `apply`: runs files as the developer's role.
//! - `live`: both while somebody works on them.
//! - `reset.sql`: takes away everything that is not the platform's.
//!
//! Everything runs as role `postgres`, as it would from the Supabase command line, never as a
//! superuser of ours.

pub(crate) mod apply;
pub(crate) mod folder;
pub(crate) mod history;
pub(crate) mod live;
pub(crate) mod plan;
pub(crate) mod split;
