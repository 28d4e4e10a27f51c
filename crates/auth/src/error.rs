//! Every answer that is not success.
//!
//! Codes, statuses and texts are upstream's to the letter; clients match on them. One variant is
//! one cause. The body comes in two shapes: clients that name an API version from 2024 on get the
//! newer one, and read the shape from the version header of the answer.

mod answer;
mod code;
mod external;
mod hook;
mod oauth_server;
mod password;
mod place;
mod saml;
mod second_factor;
mod session;
mod token;
mod web3;

use std::borrow::Cow;

pub use self::code::Code;
pub use self::external::External;
pub use self::hook::HookFailure;
pub use self::oauth_server::OAuthServer;
pub use self::password::Weakness;
pub use self::saml::Saml;
pub use self::second_factor::SecondFactor;
pub use self::session::Expiry;
pub use self::web3::Web3;

/// An answer that is not success.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    // 400
    /// A field of the request is missing or unusable.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// The body is not the JSON that was expected.
    #[error("Could not parse request body as JSON: {0}")]
    BadJson(String),
    /// The token's subject is not one of our users' ids.
    #[error("invalid claim: sub claim must be a UUID")]
    SubjectNotAnId,
    /// Wrong address, wrong password, or none set.
    #[error("Invalid login credentials")]
    InvalidCredentials,
    /// `grant_type` is none we know.
    #[error("unsupported_grant_type")]
    UnsupportedGrantType,
    /// The account may not sign in at present; said only to who knows the password.
    #[error("User is banned")]
    BannedAtSignIn,
    /// The address was never confirmed.
    #[error("Email not confirmed")]
    EmailNotConfirmed,
    /// The number was never confirmed.
    #[error("Phone not confirmed")]
    PhoneNotConfirmed,
    /// Accounts by address are switched off.
    #[error("{0}")]
    EmailProviderDisabled(&'static str),
    /// Accounts by number are switched off.
    #[error("{0}")]
    PhoneProviderDisabled(&'static str),
    /// The identity provider is switched off.
    #[error("{0}")]
    ProviderDisabled(String),
    /// A provider of this name was defined before.
    #[error("A custom OAuth provider with this identifier already exists")]
    CustomProviderExists,
    /// No more providers may be defined.
    #[error("Maximum number of custom OAuth/OIDC providers reached")]
    TooManyCustomProviders,
    /// A callback that belongs to no sign-in.
    #[error("{0}")]
    BadOAuthState(&'static str),
    /// Mail may not go to this address.
    #[error("Email address \"{0}\" cannot be used as it is not authorized")]
    EmailNotAuthorized(String),
    /// Mail to this address would not arrive.
    #[error("Email address {0:?} is invalid")]
    EmailInvalid(String),
    /// Nobody proved that a person asks.
    #[error("captcha protection: request disallowed ({0})")]
    CaptchaFailed(String),
    /// A password change in an old session needs a code first.
    #[error("Password update requires reauthentication")]
    ReauthenticationNeeded,
    /// A password change needs the current password, and none came.
    #[error("Current password required when setting new password.")]
    CurrentPasswordRequired,
    /// A password change needs the current password, and another came.
    #[error("Current password required when setting new password.")]
    CurrentPasswordInvalid,
    /// The verifier does not belong to the challenge.
    #[error("code challenge does not match previously saved code verifier")]
    BadCodeVerifier,
    /// A mailed PKCE link without the flow it belongs to.
    #[error("No associated flow state found. {0}")]
    NoFlowState(&'static str),
    /// The refresh token is none we issued, or no longer known.
    #[error("Invalid Refresh Token: Refresh Token Not Found")]
    RefreshTokenNotFound,
    /// The refresh token's account may not sign in at present.
    #[error("Invalid Refresh Token: User Banned")]
    RefreshUserBanned,
    /// The refresh token outlived its session.
    #[error("Invalid Refresh Token: No Valid Session Found")]
    RefreshWithoutSession,
    /// The session came to its end.
    #[error("Invalid Refresh Token: Session Expired{0}")]
    SessionExpired(Expiry),
    /// The refresh token was used before, too long ago to be an accident.
    #[error("Invalid Refresh Token: Already Used")]
    RefreshTokenAlreadyUsed,
    /// The session is an OAuth client's, who has to refresh it itself.
    #[error("{description}")]
    OAuth {
        /// The standard's code.
        error: &'static str,
        /// What is wrong.
        description: &'static str,
    },

    // 401 and 403
    /// No bearer token came.
    #[error("This endpoint requires a valid Bearer token")]
    NoAuthorization,
    /// The bearer token is not acceptable.
    #[error("{0}")]
    BadJwt(Cow<'static, str>),
    /// The session has to be raised by a second factor first.
    #[error("AAL2 session is required to update email or password when MFA is enabled.")]
    InsufficientAal,
    /// Anonymous users may not.
    #[error("Anonymous user not allowed to perform these actions")]
    AnonymousRefused,
    /// The token's role is not an administrator's.
    #[error("User not allowed")]
    NotAdmin,
    /// Whoever acts as somebody else may not.
    #[error("{0}")]
    ActorRefused(&'static str),
    /// Only administrators change `app_metadata`.
    #[error("Updating app_metadata requires admin privileges")]
    AppMetadataRefused,
    /// The token is for another audience.
    #[error("Token audience doesn't match request audience")]
    UnexpectedAudience,
    /// The token's user is gone.
    #[error("User from sub claim in JWT does not exist")]
    UserOfTokenMissing,
    /// The token's session has ended.
    #[error("Session from session_id claim in JWT does not exist")]
    SessionOfTokenMissing,
    /// The token's session ran out; administrators only.
    #[error("Session is no longer valid")]
    AdminSessionExpired,
    /// The account may not be used at present.
    #[error("User is banned")]
    UserBanned,
    /// A code that is wrong, used or too old.
    #[error("Token has expired or is invalid")]
    OtpExpired,
    /// A link that is wrong, used or too old.
    #[error("Email link is invalid or has expired")]
    LinkExpired,

    // 404
    /// No such route.
    #[error("404 page not found")]
    NoRoute,
    /// No such method here.
    #[error("Method Not Allowed")]
    MethodNotAllowed,
    /// An id in the path that is none.
    #[error("{0} must be an UUID")]
    NotAnId(&'static str),
    /// No such provider.
    #[error("Custom OAuth provider not found")]
    CustomProviderNotFound,
    /// No such user.
    #[error("{0}")]
    UserNotFound(&'static str),
    /// The account has no such session. Not `session_not_found`: clients take that for the end of
    /// their own.
    #[error("Session not found")]
    SessionNotListed,
    /// The identity provider has no such token.
    #[error("SCIM token not found")]
    ScimTokenNotFound,
    /// No such mail.
    #[error("Template not found")]
    TemplateNotFound,
    /// No such factor.
    #[error("Factor not found")]
    FactorNotFound,
    /// The authorization code is none we issued.
    #[error("invalid flow state, no valid flow state found")]
    FlowStateNotFound,
    /// Attaching other providers' accounts is switched off.
    #[error("Manual linking is disabled")]
    ManualLinkingDisabled,
    /// Single sign-on is switched off.
    #[error("SAML 2.0 is disabled")]
    SamlDisabled,
    /// Passkeys are switched off.
    #[error("Passkeys are disabled")]
    PasskeysDisabled,
    /// A part of the service is switched off.
    #[error("{0}")]
    FeatureDisabled(&'static str),

    // 422
    /// The request can be read but not followed.
    #[error("{0}")]
    Unprocessable(Cow<'static, str>),
    /// Nobody may create an account.
    #[error("Signups not allowed for this instance")]
    SignupDisabled,
    /// A code was asked for without creating an account, and there is none.
    #[error("Signups not allowed for otp")]
    OtpDisabled,
    /// Anonymous sign-ins are switched off.
    #[error("Anonymous sign-ins are disabled")]
    AnonymousDisabled,
    /// Signing in by address is switched off.
    #[error("{0}")]
    EmailLoginsDisabled(&'static str),
    /// Signing in by number is switched off.
    #[error("Phone logins are disabled")]
    PhoneLoginsDisabled,
    /// The account exists.
    #[error("User already registered")]
    UserAlreadyExists,
    /// The address is someone's.
    #[error("A user with this email address has already been registered")]
    EmailExists,
    /// The number is someone's.
    #[error("{0}")]
    PhoneExists(&'static str),
    /// The account has no such identity.
    #[error("Identity doesn't exist")]
    IdentityNotFound,
    /// The account would have no identity left.
    #[error("User must have at least 1 identity after unlinking")]
    LastIdentity,
    /// The addresses of all identities left are someone else's.
    #[error("Unable to unlink identity due to email conflict")]
    IdentityEmailConflict,
    /// The password does not meet the rules.
    #[error("{}", .0.message)]
    WeakPassword(Weakness),
    /// The new password is the old one.
    #[error("New password should be different from the old password.")]
    SamePassword,
    /// The code for a password change is wrong, used or too old.
    #[error("Nonce has expired or is invalid")]
    ReauthenticationNotValid,
    /// The code for a password change can only go to a confirmed address.
    #[error("Please verify your email first.")]
    VerifyEmailFirst,
    /// The code for a password change can only go to a confirmed number.
    #[error("Please verify your phone first.")]
    VerifyPhoneFirst,
    /// The account's credentials are the identity provider's.
    #[error("Updating email, phone, password of a SSO account only possible via SSO")]
    SsoManaged,
    /// The authorization code is too old.
    #[error("invalid flow state, flow state has expired")]
    FlowStateExpired,
    /// Second factors of this kind are switched off.
    #[error("{text}")]
    MfaDisabled {
        /// The error code.
        code: Code,
        /// The message.
        text: &'static str,
    },

    /// Second factors and passkeys refuse.
    #[error(transparent)]
    SecondFactor(#[from] SecondFactor),

    /// Another provider's account is refused.
    #[error(transparent)]
    External(#[from] External),

    /// The operator's own code refuses, or fails.
    #[error(transparent)]
    Hook(#[from] HookFailure),
    /// A hook failed during a refresh. 503, because clients end a session on a refresh that fails
    /// otherwise.
    #[error(transparent)]
    HookOfRefresh(HookFailure),
    /// A hook refuses a sign-in by password.
    #[error("{0}")]
    PasswordRefused(String),
    /// A wallet is refused.
    #[error(transparent)]
    Web3(#[from] Web3),
    /// The OAuth server refuses.
    #[error(transparent)]
    OAuthServer(#[from] OAuthServer),

    /// Single sign-on is refused.
    #[error(transparent)]
    Saml(#[from] Saml),

    // 413, 429, 5xx
    /// The body is larger than this many bytes.
    #[error("Request body too large (max {0} bytes)")]
    TooLarge(usize),
    /// This client asks too often; the number is seconds to wait.
    #[error("Request rate limit reached")]
    TooManyRequests(u64),
    /// A session is refreshed too often. 503, because clients end a session on a refresh that
    /// fails with 4xx.
    #[error("Request rate limit reached")]
    TooManyRefreshes(u64),
    /// The same mail was asked for too soon; the number is seconds to wait.
    #[error("For security purposes, you can only request this after {0} seconds.")]
    TooSoonForEmail(u64),
    /// The same message was asked for too soon; the number is seconds to wait.
    #[error("For security purposes, you can only request this after {0} seconds.")]
    TooSoonForSms(u64),
    /// The server sends no more mails for now.
    #[error("email rate limit exceeded")]
    EmailRateLimit,
    /// The server sends no more messages for now.
    #[error("SMS rate limit exceeded")]
    SmsRateLimit,
    /// Too many refreshes of one session at once, or no connection for one. 503 as above.
    #[error("Too many concurrent token refresh requests on the same session or refresh token")]
    RefreshContention,
    /// The mail server did not take a mail that was sent to try it out.
    #[error("The mail was not sent: {0}")]
    MailRefused(String),
    /// The request took too long and was given up.
    #[error("Processing this request timed out, please retry after a moment.")]
    TimedOut,
    /// Something failed that is not the caller's fault; the cause stays in the log.
    #[error("{text}")]
    Internal {
        /// What may be said.
        text: &'static str,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl Error {
    /// A field that is missing or unusable.
    pub(crate) fn invalid(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(text.into())
    }

    /// A failure that is not the caller's fault.
    pub(crate) fn internal(
        text: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Internal { text, source: Some(source.into()) }
    }
}

/// Gives a failure of the database the text that may be said about it.
pub(crate) trait OrInternal<T> {
    /// The value, or an internal error with `text`.
    fn or_internal(self, text: &'static str) -> Result<T, Error>;
}

impl<T, E: Into<Box<dyn std::error::Error + Send + Sync>>> OrInternal<T> for Result<T, E> {
    fn or_internal(self, text: &'static str) -> Result<T, Error> {
        self.map_err(|error| Error::internal(text, error))
    }
}
