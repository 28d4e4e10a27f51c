//! The files of schema `vault`.

use db::Migrations;
use db::migrate::Owner;

mod embedded {
    refinery::embed_migrations!("../../migrations/vault");
}

/// The migrations of this crate. Left out where the original extension is installed.
#[must_use]
pub fn migrations() -> Migrations {
    Migrations::new(
        Owner::Vault,
        &embedded::migrations::runner(),
        &[
            ("cipher", include_str!("../../../migrations/vault/repeatable/cipher.sql")),
            ("pgsodium", include_str!("../../../migrations/vault/repeatable/pgsodium.sql")),
            ("surface", include_str!("../../../migrations/vault/repeatable/surface.sql")),
            ("surface_grants", include_str!("../../../migrations/vault/repeatable/surface_grants.sql")),
        ],
    )
    .unless_extension("supabase_vault")
}
