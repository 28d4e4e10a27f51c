//! New accounts.

use serde_json::json;
use uuid::Uuid;

use crate::account::{self, NotCreated};
use crate::audit::{self, Action, Actor};
use crate::error::{Error, OrInternal};
use crate::hook::{self, Point};
use crate::pkce::Challenge;
use crate::send::{self, Mail, Sms};
use crate::service::Context;
use crate::session::{self, Grant};
use crate::sms::Channel;
use crate::store::users::NewUser;
use crate::store::{identities, users};
use crate::user::{Object, User};
use crate::{identifier, password};

/// What someone signs up with.
#[derive(Clone, Debug, Default)]
pub(crate) struct SignUp {
    pub(crate) by: By,
    /// None for who comes in by links and codes.
    pub(crate) password: Option<String>,
    pub(crate) data: Object,
    pub(crate) challenge: Option<Challenge>,
    /// How a code reaches a phone.
    pub(crate) channel: Channel,
}

/// By what an account is entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Email(String),
    Phone(String),
}

impl Default for By {
    fn default() -> Self {
        Self::Email(String::new())
    }
}

impl By {
    /// Name of the provider and of the identity's field.
    pub(crate) fn provider(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Phone(_) => "phone",
        }
    }

    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Email(text) | Self::Phone(text) => text,
        }
    }

    fn is_confirmed(&self, user: &User) -> bool {
        match self {
            Self::Email(_) => user.is_email_confirmed(),
            Self::Phone(_) => user.is_phone_confirmed(),
        }
    }
}

/// How a sign-up ended.
pub(crate) enum SignedUp {
    /// The account may be used at once.
    In(Box<Grant>),
    /// The address or number has to be confirmed first; a message may be on its way.
    Pending { user: Box<User>, message_id: Option<String> },
}

const FINDING: &str = "Database error finding user";

/// Checks and normalises what came, in upstream's order.
pub(crate) fn check(ctx: &Context, mut sign_up: SignUp) -> Result<SignUp, Error> {
    sign_up.by = match sign_up.by {
        By::Email(_) if !ctx.config().email.enable_signup => {
            return Err(Error::EmailProviderDisabled("Email signups are disabled"));
        }
        By::Phone(_) if !ctx.config().sms.enable_signup => {
            return Err(Error::PhoneProviderDisabled("Phone signups are disabled"));
        }
        By::Email(text) => By::Email(identifier::email(&text)?),
        By::Phone(text) => By::Phone(identifier::phone(&text)?),
    };
    Ok(sign_up)
}

/// Makes the account, or answers as if.
pub(crate) async fn register(ctx: &Context, sign_up: SignUp) -> Result<SignedUp, Error> {
    if !ctx.config().enable_signup {
        return Err(Error::SignupDisabled);
    }
    let sign_up = check(ctx, sign_up)?;
    let kind = ctx.config().password_hash;
    let hash = match &sign_up.password {
        // Before there is a transaction, and also for accounts that exist: it takes the time.
        Some(password) => ctx.service.hasher.hash(kind, password.clone()).await?,
        None => password::hash_of_nobody(kind),
    };
    let id = Uuid::new_v4();
    ask_hook(ctx, &sign_up, id).await?;
    match attempt(ctx, &sign_up, id, &hash).await {
        // Another request made the account just now: it exists, then.
        Err(NotCreated::Taken) => match attempt(ctx, &sign_up, id, &hash).await {
            // It is in another audience, of which the caller is to learn nothing.
            Err(NotCreated::Taken) => hidden(ctx, &sign_up),
            result => Ok(result?),
        },
        result => Ok(result?),
    }
}

/// Asks the hook whether the account may be made, if there is none yet.
async fn ask_hook(ctx: &Context, sign_up: &SignUp, id: Uuid) -> Result<(), Error> {
    if !ctx.settings.hooks.has(Point::BeforeUserCreated) {
        return Ok(());
    }
    let found = {
        let mut connection = ctx.service.pool.session().await.or_internal(FINDING)?;
        find(ctx, &mut connection, sign_up).await?
    };
    match found {
        Some(_) => Ok(()),
        None => {
            let metadata = metadata(sign_up);
            hook::before_user_created(ctx, &new_user(ctx, sign_up, id, "", &metadata)).await
        }
    }
}

async fn find(ctx: &Context, session: &mut db::Session, sign_up: &SignUp) -> Result<Option<User>, Error> {
    let found = match &sign_up.by {
        By::Email(email) => users::find_holder_of_email(session, email, &ctx.aud, None).await,
        By::Phone(phone) => users::find_by_phone(session, phone, &ctx.aud).await,
    };
    found.or_internal(FINDING)
}

async fn attempt(ctx: &Context, sign_up: &SignUp, id: Uuid, hash: &str) -> Result<SignedUp, NotCreated> {
    let failed = NotCreated::Failed;
    let mut tx = ctx.service.pool.begin().await.or_internal(FINDING).map_err(failed)?;
    let user = match find(ctx, &mut tx, sign_up).await.map_err(failed)? {
        Some(user) if sign_up.by.is_confirmed(&user) => {
            return repeated(ctx, tx, sign_up, &user).await.map_err(failed);
        }
        // Nothing of it is changed: who signs up again has proved nothing.
        Some(user) => user,
        None => {
            let metadata = metadata(sign_up);
            account::create(ctx, &mut tx, &new_user(ctx, sign_up, id, hash, &metadata)).await?
        }
    };
    complete(ctx, tx, sign_up, user).await.map_err(failed)
}

fn metadata(sign_up: &SignUp) -> Object {
    account::provider_metadata(&[sign_up.by.provider()])
}

fn new_user<'a>(
    ctx: &'a Context,
    sign_up: &'a SignUp,
    id: Uuid,
    hash: &'a str,
    app_metadata: &'a Object,
) -> NewUser<'a> {
    let (email, phone) = match &sign_up.by {
        By::Email(email) => (email.as_str(), ""),
        By::Phone(phone) => ("", phone.as_str()),
    };
    NewUser {
        id,
        aud: &ctx.aud,
        role: &ctx.config().jwt_default_group_name,
        email,
        phone,
        encrypted_password: hash,
        app_metadata,
        user_metadata: &sign_up.data,
        is_anonymous: false,
        is_sso_user: false,
    }
}

/// Identity, confirmation or its mail, and the session.
async fn complete(
    ctx: &Context,
    mut tx: db::Session,
    sign_up: &SignUp,
    user: User,
) -> Result<SignedUp, Error> {
    const LOADING: &str = "Database error loading user after sign-up";
    let provider = sign_up.by.provider();
    if user.identity(provider).is_none() {
        let mut data = account::own_identity(user.id, provider, sign_up.by.text(), false);
        // The column `email` of identities is read from there: a number does not bring an address.
        for (key, value) in sign_up.data.iter().filter(|(key, _)| *key != "email") {
            data.entry(key.as_str()).or_insert_with(|| value.clone());
        }
        account::add_identity(ctx, &mut tx, user.id, provider, &data).await?;
        // Other identities of an unconfirmed account were claimed by whoever came first.
        let unconfirmed = !user.is_email_confirmed() && !user.is_phone_confirmed();
        if unconfirmed && !user.identities.is_empty() {
            identities::delete_others(&mut tx, user.id, provider).await.or_internal(account::UPDATING)?;
            users::update_providers(&mut tx, user.id, ctx.now).await.or_internal(account::UPDATING)?;
        }
        users::merge_user_metadata(&mut tx, user.id, &data, ctx.now).await.or_internal(account::UPDATING)?;
    }
    let message_id = confirm(ctx, &mut tx, sign_up, &user).await?;
    let mut user = users::get(&mut tx, user.id).await.or_internal(LOADING)?;
    if sign_up.by.is_confirmed(&user) {
        let grant = session::sign_in(ctx, &mut tx, user, "password", provider).await?;
        account::commit_creation(ctx, tx).await?;
        return Ok(SignedUp::In(Box::new(grant)));
    }
    account::commit_creation(ctx, tx).await?;
    if user.invited_at.is_some() {
        user.user_metadata = Object::new();
        user.identities = Vec::new();
    }
    Ok(SignedUp::Pending { user: Box::new(user), message_id })
}

/// Confirms address or number, or has it confirmed; returns the id of a message to a phone.
async fn confirm(
    ctx: &Context,
    tx: &mut db::Session,
    sign_up: &SignUp,
    user: &User,
) -> Result<Option<String>, Error> {
    let provider = sign_up.by.provider();
    let traits = Some(json!({ "provider": provider }));
    let autoconfirm = match sign_up.by {
        By::Email(_) => ctx.config().email.autoconfirm(),
        By::Phone(_) => ctx.config().sms.autoconfirm(),
    };
    let action = if autoconfirm { Action::SignedUp } else { Action::ConfirmationRequested };
    audit::record(ctx, tx, Actor::User(user), action, traits).await?;
    match (&sign_up.by, autoconfirm) {
        (By::Email(_), true) => account::confirm_email(ctx, tx, user.id).await.map(|()| None),
        (By::Phone(_), true) => account::confirm_phone(ctx, tx, user.id).await.map(|()| None),
        (By::Email(_), false) => {
            if let Some(challenge) = &sign_up.challenge {
                challenge.remember(ctx, tx, user.id, "email", "email/signup").await?;
            }
            send::mail(ctx, tx, user, Mail::Confirmation, sign_up.challenge.as_ref()).await.map(|()| None)
        }
        (By::Phone(phone), false) => {
            send::sms(ctx, tx, user, phone, Sms::Confirmation, sign_up.channel).await
        }
    }
}

/// The account exists: said openly only where sign-up would have shown it anyway.
async fn repeated(
    ctx: &Context,
    mut tx: db::Session,
    sign_up: &SignUp,
    user: &User,
) -> Result<SignedUp, Error> {
    let traits = Some(json!({ "provider": sign_up.by.provider() }));
    audit::record(ctx, &mut tx, Actor::User(user), Action::RepeatedSignUp, traits).await?;
    if !is_told(ctx) {
        let challenge = sign_up.challenge.as_ref();
        match &sign_up.by {
            By::Email(email) => {
                if let Some(challenge) = challenge {
                    challenge.remember(ctx, &mut tx, Uuid::new_v4(), "email", "email/signup").await?;
                }
                send::nobody::mail(ctx, &mut tx, email, Mail::Confirmation, challenge).await?;
            }
            By::Phone(phone) => {
                let interval = ctx.config().sms.max_frequency.0;
                send::nobody::sms(ctx, &mut tx, phone, sign_up.channel, interval).await?;
            }
        }
    }
    tx.commit().await.or_internal("Database error finding user")?;
    hidden(ctx, sign_up)
}

/// Whether it is said that an account exists.
fn is_told(ctx: &Context) -> bool {
    ctx.config().email.autoconfirm() || ctx.config().sms.autoconfirm()
}

/// The answer where the account exists already.
fn hidden(ctx: &Context, sign_up: &SignUp) -> Result<SignedUp, Error> {
    if is_told(ctx) {
        return Err(Error::UserAlreadyExists);
    }
    let message_id = matches!(sign_up.by, By::Phone(_)).then(|| Uuid::new_v4().to_string());
    Ok(SignedUp::Pending { user: Box::new(as_if_new(ctx, sign_up)), message_id })
}

/// An account that looks new and says nothing of the one that exists.
fn as_if_new(ctx: &Context, sign_up: &SignUp) -> User {
    let (email, phone) = match &sign_up.by {
        By::Email(email) => (email.clone(), String::new()),
        By::Phone(phone) => (String::new(), phone.clone()),
    };
    User {
        id: Uuid::new_v4(),
        aud: ctx.aud.clone(),
        email,
        phone,
        confirmation_sent_at: Some(ctx.now),
        app_metadata: account::provider_metadata(&[sign_up.by.provider()]),
        user_metadata: sign_up.data.clone(),
        created_at: ctx.now,
        updated_at: ctx.now,
        ..User::default()
    }
}

/// An account without address, number or password.
pub(crate) async fn register_anonymously(ctx: &Context, data: &Object) -> Result<Grant, Error> {
    if !ctx.config().enable_signup {
        return Err(Error::SignupDisabled);
    }
    let new = NewUser {
        id: Uuid::new_v4(),
        aud: &ctx.aud,
        role: &ctx.config().jwt_default_group_name,
        email: "",
        phone: "",
        encrypted_password: "",
        app_metadata: &Object::new(),
        user_metadata: data,
        is_anonymous: true,
        is_sso_user: false,
    };
    hook::before_user_created(ctx, &new).await?;
    let mut tx = ctx.service.pool.begin().await.or_internal("Database error saving new user")?;
    let user = account::create(ctx, &mut tx, &new).await?;
    let grant = session::open(ctx, &mut tx, user, "anonymous").await?;
    account::commit_creation(ctx, tx).await?;
    Ok(grant)
}

/// A sign-up of those who come in by link or code.
pub(crate) fn without_password(by: By, data: Object, challenge: Option<Challenge>) -> SignUp {
    SignUp { by, password: None, data, challenge, channel: Channel::Sms }
}
