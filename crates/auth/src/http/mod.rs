//! URL → file. The gateway mounts this under its prefix.

mod admin;
mod answer;
mod authorize;
mod call;
mod callback;
mod factors;
mod health;
mod identities;
mod invite;
mod logout;
mod mailbox;
mod oauth;
mod otp;
mod passkeys;
mod reauthenticate;
mod recover;
mod recovery_codes;
mod resend;
mod saml;
mod scim;
mod sessions;
mod settings;
mod signup;
mod sso;
mod token;
mod user;
mod verify;
mod version;
mod well_known;

use std::sync::Arc;

use actix_web::Resource;
use actix_web::middleware::from_fn;
use actix_web::web::{Data, ServiceConfig, delete, get, patch, post, put, resource, scope};

use crate::error::Error;
use crate::service::Service;

/// No request needs more.
const MAX_BODY: usize = 1024 * 1024;

pub(crate) fn routes(service: &Arc<Service>, cfg: &mut ServiceConfig) {
    let routes = scope("")
        .app_data(Data::from(Arc::clone(service)))
        .wrap(from_fn(version::render))
        .service(at("/health").route(get().to(health::get)))
        .service(at("/settings").route(get().to(settings::get)))
        .service(at("/.well-known/jwks.json").route(get().to(well_known::jwks)))
        .service(at("/.well-known/openid-configuration").route(get().to(well_known::openid)))
        .service(at("/.well-known/oauth-authorization-server").route(get().to(well_known::oauth_server)))
        .service(at("/signup").route(post().to(signup::post)))
        .service(at("/token").route(post().to(token::post)))
        .service(at("/user").route(get().to(user::get)).route(put().to(user::put)))
        .service(at("/user/identities/authorize").route(get().to(identities::authorize)))
        .service(at("/user/identities/{identity_id}").route(delete().to(identities::delete)))
        .service(at("/user/sessions").route(get().to(sessions::get)))
        .service(at("/user/sessions/{session_id}").route(delete().to(sessions::delete)))
        .service(
            at("/user/recovery-codes")
                .route(get().to(recovery_codes::get))
                .route(post().to(recovery_codes::post))
                .route(delete().to(recovery_codes::delete)),
        )
        .service(at("/user/recovery-codes/verify").route(post().to(recovery_codes::verify)))
        .service(at("/logout").route(post().to(logout::post)))
        .service(at("/otp").route(post().to(otp::post)))
        .service(at("/magiclink").route(post().to(otp::magic_link)))
        .service(at("/recover").route(post().to(recover::post)))
        .service(at("/resend").route(post().to(resend::post)))
        .service(at("/reauthenticate").route(get().to(reauthenticate::get)))
        .service(at("/verify").route(get().to(verify::get)).route(post().to(verify::post)))
        .service(at("/authorize").route(get().to(authorize::get)))
        .service(at("/callback").route(get().to(callback::get)).route(post().to(callback::post)))
        .service(at("/invite").route(post().to(invite::post)))
        .service(at("/admin/audit").route(get().to(admin::audit::get)))
        .service(at("/admin/users").route(get().to(admin::users::get)).route(post().to(admin::users::post)))
        .service(
            at("/admin/users/{user_id}")
                .route(get().to(admin::user::get))
                .route(put().to(admin::user::put))
                .route(delete().to(admin::user::delete)),
        )
        .service(at("/admin/users/{user_id}/impersonate").route(post().to(admin::impersonate::post)))
        .service(at("/admin/users/{user_id}/factors").route(get().to(admin::factors::get)))
        .service(
            at("/admin/users/{user_id}/factors/{factor_id}")
                .route(put().to(admin::factors::put))
                .route(delete().to(admin::factors::delete)),
        )
        .service(at("/admin/users/{user_id}/passkeys").route(get().to(admin::passkeys::get)))
        .service(
            at("/admin/users/{user_id}/passkeys/{passkey_id}").route(delete().to(admin::passkeys::delete)),
        )
        .service(
            at("/admin/users/{user_id}/sessions")
                .route(get().to(admin::sessions::get))
                .route(delete().to(admin::sessions::delete_all)),
        )
        .service(
            at("/admin/users/{user_id}/sessions/{session_id}").route(delete().to(admin::sessions::delete)),
        )
        .service(at("/admin/mail/templates").route(get().to(admin::mail::list)))
        .service(at("/admin/mail/templates/{name}").route(get().to(admin::mail::get)))
        .service(at("/admin/mail/test").route(post().to(admin::mail::test)))
        .service(at("/admin/generate_link").route(post().to(admin::generate_link::post)))
        .service(
            at("/admin/sso/providers{slash:/?}")
                .route(get().to(admin::sso_providers::list))
                .route(post().to(admin::sso_providers::post)),
        )
        .service(
            at("/admin/sso/providers/{idp_id}")
                .route(get().to(admin::sso_providers::get))
                .route(put().to(admin::sso_providers::put))
                .route(delete().to(admin::sso_providers::delete)),
        )
        .service(
            at("/admin/sso/providers/{idp_id}/scim-tokens")
                .route(get().to(admin::scim_tokens::list))
                .route(post().to(admin::scim_tokens::post)),
        )
        .service(
            at("/admin/sso/providers/{idp_id}/scim-tokens/{token_id}")
                .route(delete().to(admin::scim_tokens::delete)),
        )
        .service(
            at("/admin/custom-providers{slash:/?}")
                .route(get().to(admin::custom_providers::list))
                .route(post().to(admin::custom_providers::post)),
        )
        .service(
            at("/admin/custom-providers/{identifier}")
                .route(get().to(admin::custom_providers::get))
                .route(put().to(admin::custom_providers::put))
                .route(delete().to(admin::custom_providers::delete)),
        )
        .service(at("/factors").route(post().to(factors::enroll)))
        .service(at("/factors/{factor_id}").route(delete().to(factors::unenroll)))
        .service(at("/factors/{factor_id}/challenge").route(post().to(factors::challenge)))
        .service(at("/factors/{factor_id}/verify").route(post().to(factors::verify)))
        .service(at("/passkeys{slash:/?}").route(get().to(passkeys::list)))
        .service(at("/passkeys/registration/options").route(post().to(passkeys::registration_options)))
        .service(at("/passkeys/registration/verify").route(post().to(passkeys::registration_verify)))
        .service(at("/passkeys/authentication/options").route(post().to(passkeys::authentication_options)))
        .service(at("/passkeys/authentication/verify").route(post().to(passkeys::authentication_verify)))
        .service(
            at("/passkeys/{passkey_id}")
                .route(patch().to(passkeys::rename))
                .route(delete().to(passkeys::delete)),
        )
        .service(at("/sso").route(post().to(sso::post)))
        .service(at("/sso/saml/metadata").route(get().to(saml::metadata)))
        .service(at("/sso/saml/acs").route(post().to(saml::consume)))
        .configure(oauth::routes)
        .configure(scim::routes)
        .default_service(actix_web::web::to(|| async { Err::<String, _>(Error::NoRoute) }));
    cfg.service(routes);
}

/// Where clients look for the OAuth server that know only its host; to be mounted below `/.well-known`.
pub(crate) fn discovery_routes(service: &Arc<Service>, cfg: &mut ServiceConfig) {
    cfg.service(
        at("/oauth-authorization-server{path:.*}")
            .app_data(Data::from(Arc::clone(service)))
            .route(get().to(well_known::oauth_server_of_path)),
    );
}

/// What identity providers know, for the gateway to mount apart.
pub(crate) fn saml_routes(service: &Arc<Service>, cfg: &mut ServiceConfig) {
    let routes = scope("")
        .app_data(Data::from(Arc::clone(service)))
        .wrap(from_fn(version::render))
        .service(at("/metadata").route(get().to(saml::metadata)))
        .service(at("/acs").route(post().to(saml::consume)));
    cfg.service(routes);
}

/// The mailbox of development, for the gateway to mount apart.
pub(crate) fn mailbox_routes(service: &Arc<Service>, cfg: &mut ServiceConfig) {
    let data = || Data::from(Arc::clone(service));
    cfg.service(at("/mail").app_data(data()).route(get().to(mailbox::page)))
        .service(
            at("/mail.json")
                .app_data(data())
                .route(get().to(mailbox::list))
                .route(delete().to(mailbox::clear)),
        )
        .service(at("/mail/{id}").app_data(data()).route(get().to(mailbox::message)))
        .service(at("/mail/{id}/html").app_data(data()).route(get().to(mailbox::html)));
}

/// A path at which a method that is not listed is refused in our own words.
fn at(path: &str) -> Resource {
    resource(path.to_owned())
        .default_service(actix_web::web::to(|| async { Err::<String, _>(Error::MethodNotAllowed) }))
}
