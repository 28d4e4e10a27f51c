//! Codes that stand in for a second factor that is lost; ours.
//!
//! Ten at a time, each of 80 random bits and good once, kept as hashes. Only a raised session gets them or
//! throws them away, and only who has a second factor uses them: they go with the last one. Wrong ones
//! count like wrong answers of a factor.

use rand::RngExt;
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{FAILED, Member};
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal, SecondFactor};
use crate::hook;
use crate::service::Context;
use crate::session::{self, Grant};
use crate::store::{recovery_codes, sessions, users};

/// How a session says that it was raised by one.
pub(crate) const METHOD: &str = "mfa/recovery_code";

/// What they are called where factors have a type.
const TYPE: &str = "recovery_code";

/// Without letters that are taken for others.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

const CODES: usize = 10;
const LETTERS: usize = 16;

/// New codes in place of all others.
pub(crate) async fn create(ctx: &Context, member: &Member) -> Result<Vec<String>, Error> {
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    let user = users::lock(&mut tx, member.user.id).await.or_internal(FAILED)?;
    let user = user.ok_or(Error::UserOfTokenMissing)?;
    if !user.has_second_factor() {
        return Err(SecondFactor::NothingToRecover.into());
    }
    if !member.is_raised() {
        return Err(SecondFactor::RaiseForRecoveryCodes.into());
    }
    let codes: Vec<String> = std::iter::repeat_with(fresh).take(CODES).collect();
    let hashes: Vec<Vec<u8>> = codes.iter().map(|code| hash(user.id, code)).collect();
    recovery_codes::delete_all(&mut tx, user.id).await.or_internal(FAILED)?;
    recovery_codes::insert(&mut tx, user.id, &hashes, ctx.now).await.or_internal(FAILED)?;
    let traits = json!({ "factor_type": TYPE });
    audit::record(ctx, &mut tx, Actor::User(&user), Action::FactorUpdated, Some(traits)).await?;
    tx.commit().await.or_internal(FAILED)?;
    Ok(codes)
}

/// Throws all away.
pub(crate) async fn delete(ctx: &Context, member: &Member) -> Result<(), Error> {
    if !member.is_raised() {
        return Err(SecondFactor::RaiseForRecoveryCodes.into());
    }
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    recovery_codes::delete_all(&mut tx, member.user.id).await.or_internal(FAILED)?;
    let traits = json!({ "factor_type": TYPE });
    audit::record(ctx, &mut tx, Actor::User(&member.user), Action::FactorDeleted, Some(traits)).await?;
    tx.commit().await.or_internal(FAILED)
}

/// Raises the session by a code, which is used up.
pub(crate) async fn verify(ctx: &Context, member: &Member, code: &str) -> Result<Grant, Error> {
    if code.is_empty() {
        return Err(Error::invalid("Code needs to be non-empty"));
    }
    let mut tx = ctx.service.pool.begin().await.or_internal(FAILED)?;
    let user = users::lock(&mut tx, member.user.id).await.or_internal(FAILED)?;
    let user = user.ok_or(Error::UserOfTokenMissing)?;
    let guesses = &ctx.service.wrong_answers;
    guesses.look(&user.id, ctx.now).map_err(Error::TooManyRequests)?;
    let found = recovery_codes::take(&mut tx, user.id, &hash(user.id, code)).await.or_internal(FAILED)?;
    let valid = found && user.has_second_factor();
    if !valid {
        // What is left may be nothing: this answer is refused either way.
        let _ = guesses.take(user.id, ctx.now);
    }
    if let Some(rejection) = hook::mfa_attempt(ctx, &mut tx, user.id, (Uuid::nil(), TYPE), valid).await? {
        sessions::delete_of_user(&mut tx, user.id).await.or_internal(FAILED)?;
        tx.commit().await.or_internal(FAILED)?;
        return Err(SecondFactor::AnswerRefused(rejection.message).into());
    }
    if !valid {
        // What the hook noted stays.
        tx.commit().await.or_internal(FAILED)?;
        return Err(SecondFactor::WrongAnswer("Invalid recovery code entered").into());
    }
    let traits = json!({ "factor_type": TYPE });
    audit::record(ctx, &mut tx, Actor::User(&user), Action::VerificationAttempted, Some(traits)).await?;
    let id = user.id;
    let grant = session::raise(ctx, &mut tx, user, member.session.id, METHOD, None).await?;
    sessions::delete_unraised(&mut tx, id).await.or_internal("Failed to update sessions")?;
    tx.commit().await.or_internal(FAILED)?;
    Ok(grant)
}

/// Where no proved factor is left, nothing is left to stand in for: the codes go, and what they raised
/// falls back.
pub(crate) async fn forget_without_factors(tx: &mut db::Session, user_id: Uuid) -> Result<(), db::Error> {
    if users::get(tx, user_id).await?.has_second_factor() {
        return Ok(());
    }
    recovery_codes::delete_all(tx, user_id).await?;
    sessions::forget_method(tx, user_id, METHOD).await
}

/// `xxxx-xxxx-xxxx-xxxx`.
fn fresh() -> String {
    let mut random = rand::rng();
    let letters = (0..LETTERS).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]));
    let letters: Vec<char> = letters.collect();
    letters.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

/// What is kept of a code, however it is spelled.
fn hash(user_id: Uuid, code: &str) -> Vec<u8> {
    let plain =
        code.chars().filter(char::is_ascii_alphanumeric).map(|letter| match letter.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            letter => letter,
        });
    let plain: String = plain.collect();
    Sha256::new().chain_update(user_id.as_bytes()).chain_update(plain).finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_however_they_are_written() {
        let id = Uuid::new_v4();
        let code = fresh();
        assert_eq!((code.len(), code.matches('-').count()), (19, 3), "{code}");
        let spelled = code.to_uppercase().replace('-', " ").replace('0', "O").replace('1', "l");
        assert_eq!(hash(id, &code), hash(id, &spelled));
        assert_ne!(hash(id, &code), hash(Uuid::new_v4(), &code));
        assert_ne!(code, fresh());
    }
}
