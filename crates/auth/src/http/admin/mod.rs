//! `/admin/…`: everything here needs a token of an administrator's role.

pub(crate) mod audit;
pub(crate) mod custom_providers;
pub(crate) mod factors;
pub(crate) mod generate_link;
pub(crate) mod impersonate;
pub(crate) mod mail;
pub(crate) mod page;
pub(crate) mod passkeys;
pub(crate) mod scim_tokens;
pub(crate) mod sessions;
pub(crate) mod sso_providers;
pub(crate) mod user;
pub(crate) mod users;

use uuid::Uuid;

use crate::error::{Error, OrInternal};
use crate::store;
use crate::user::User;

/// The account that the path names.
async fn user_of_path(connection: &mut db::Session, id: &str) -> Result<User, Error> {
    let id = Uuid::try_parse(id).map_err(|_| Error::NotAnId("user_id"))?;
    let user = store::users::find(connection, id).await.or_internal("Database error loading user")?;
    user.ok_or(Error::UserNotFound("User not found"))
}
