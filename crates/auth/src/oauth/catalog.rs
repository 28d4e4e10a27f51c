//! The providers known by name: where they are, what is asked of them, how their clients prove
//! themselves. All that differs between them otherwise is in [`super::accounts`].

use super::accounts::{self, Answers};
use super::profile::Profile;

/// A provider.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) places: Places,
    pub(crate) scopes: &'static [&'static str],
    /// Whether a client may ask for more.
    pub(crate) more_scopes: bool,
    pub(crate) client: ClientProof,
    /// Whether the provider insists on PKCE between itself and us.
    pub(crate) pkce: bool,
    pub(crate) account: Account,
}

/// Where people sign in, and where the code is exchanged.
pub(crate) enum Places {
    /// At these paths below a host, or below the instance that the settings name.
    At { authorize: (&'static str, &'static str), token: (&'static str, &'static str) },
    /// Where the issuer's discovery document says.
    Discovered,
}

/// How a client proves itself where the code is exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientProof {
    /// By fields of the form.
    Form,
    /// By the `Authorization` header.
    Basic,
    /// By the header; by the form, if the provider refuses that.
    Either,
}

/// How the account is read.
pub(crate) enum Account {
    /// By asking the provider's API.
    Api(Api),
    /// From the ID token of this issuer; if there is none, from the API.
    IdToken(&'static str, Option<Api>),
    /// From the ID token of whichever tenant of Azure.
    Azure,
    /// From the answer that brings the access token.
    TokenAnswer(&'static str, fn(&Answers<'_>) -> Option<Profile>),
}

/// Questions to a provider's API.
pub(crate) struct Api {
    pub(crate) host: &'static str,
    /// Goes between the instance that the settings name and `base`.
    pub(crate) own_instance: &'static str,
    pub(crate) base: &'static str,
    pub(crate) paths: &'static [&'static str],
    pub(crate) quirk: Quirk,
    pub(crate) read: fn(&Answers<'_>) -> Option<Profile>,
}

/// What a provider's API wants besides the access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quirk {
    None,
    /// A proof that the secret is known.
    FacebookProof,
    /// The client's id in a header.
    ClientId,
    /// The version of the API in a header.
    NotionVersion,
}

pub(crate) const APPLE: &str = "https://appleid.apple.com";
pub(crate) const APPLE_ACCOUNT: &str = "https://account.apple.com";
pub(crate) const GOOGLE: &str = "https://accounts.google.com";
pub(crate) const LINKEDIN: &str = "https://www.linkedin.com/oauth";
pub(crate) const FACEBOOK: &str = "https://www.facebook.com";
pub(crate) const KAKAO: &str = "https://kauth.kakao.com";
pub(crate) const VERCEL: &str = "https://marketplace.vercel.com";
pub(crate) const SNAPCHAT: &str = "https://accounts.snapchat.com/accounts/oauth2/token";

type Read = fn(&Answers<'_>) -> Option<Profile>;

const fn at(
    name: &'static str,
    authorize: (&'static str, &'static str),
    token: (&'static str, &'static str),
    scopes: &'static [&'static str],
    account: Account,
) -> Known {
    let places = Places::At { authorize, token };
    Known { name, places, scopes, more_scopes: true, client: ClientProof::Form, pkce: false, account }
}

const fn api(host: &'static str, base: &'static str, paths: &'static [&'static str], read: Read) -> Account {
    Account::Api(Api { host, own_instance: "", base, paths, quirk: Quirk::None, read })
}

impl Known {
    const fn basic(mut self) -> Self {
        self.client = ClientProof::Basic;
        self
    }

    const fn fixed_scopes(mut self) -> Self {
        self.more_scopes = false;
        self
    }

    const fn pkce(mut self) -> Self {
        self.pkce = true;
        self
    }

    /// The provider called `name`.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        KNOWN.iter().find(|known| known.name == name)
    }
}

static KNOWN: [Known; 24] = [
    Known {
        name: "apple",
        places: Places::Discovered,
        scopes: &["email", "name"],
        more_scopes: false,
        client: ClientProof::Form,
        pkce: false,
        account: Account::IdToken(APPLE, None),
    },
    at(
        "azure",
        ("https://login.microsoftonline.com/common", "/oauth2/v2.0/authorize"),
        ("https://login.microsoftonline.com/common", "/oauth2/v2.0/token"),
        &["openid"],
        Account::Azure,
    ),
    at(
        "bitbucket",
        ("https://bitbucket.org", "/site/oauth2/authorize"),
        ("https://bitbucket.org", "/site/oauth2/access_token"),
        &["account", "email"],
        api("https://api.bitbucket.org", "/2.0", &["/user", "/user/emails"], accounts::bitbucket),
    )
    .basic()
    .fixed_scopes(),
    at(
        "discord",
        ("https://discord.com", "/api/oauth2/authorize"),
        ("https://discord.com", "/api/oauth2/token"),
        &["email", "identify"],
        api("https://discord.com", "/api", &["/users/@me"], accounts::discord),
    ),
    at(
        "facebook",
        ("https://www.facebook.com", "/dialog/oauth"),
        ("https://graph.facebook.com", "/oauth/access_token"),
        &["email"],
        Account::Api(Api {
            host: "https://graph.facebook.com",
            own_instance: "",
            base: "/me?fields=email,first_name,last_name,name,picture",
            paths: &[""],
            quirk: Quirk::FacebookProof,
            read: accounts::facebook,
        }),
    ),
    at(
        "figma",
        ("https://www.figma.com", "/oauth"),
        ("https://api.figma.com", "/v1/oauth/token"),
        &["current_user:read"],
        api("https://api.figma.com", "", &["/v1/me"], accounts::figma),
    )
    .basic(),
    at(
        "fly",
        ("https://api.fly.io", "/oauth/authorize"),
        ("https://api.fly.io", "/oauth/token"),
        &["read"],
        api("https://api.fly.io", "", &["/oauth/token/info"], accounts::fly),
    ),
    at(
        "github",
        ("https://github.com", "/login/oauth/authorize"),
        ("https://github.com", "/login/oauth/access_token"),
        &["user:email"],
        Account::Api(Api {
            host: "https://api.github.com",
            own_instance: "/api/v3",
            base: "",
            paths: &["/user", "/user/emails"],
            quirk: Quirk::None,
            read: accounts::github,
        }),
    ),
    at(
        "gitlab",
        ("https://gitlab.com", "/oauth/authorize"),
        ("https://gitlab.com", "/oauth/token"),
        &["read_user"],
        api("https://gitlab.com", "", &["/api/v4/user", "/api/v4/user/emails"], accounts::gitlab),
    ),
    Known {
        name: "google",
        places: Places::Discovered,
        scopes: &["email", "profile"],
        more_scopes: true,
        client: ClientProof::Form,
        pkce: false,
        account: Account::IdToken(
            GOOGLE,
            Some(Api {
                host: "https://www.googleapis.com",
                own_instance: "",
                base: "/userinfo/v2/me",
                paths: &[""],
                quirk: Quirk::None,
                read: accounts::google,
            }),
        ),
    },
    at(
        "kakao",
        ("https://kauth.kakao.com", "/oauth/authorize"),
        ("https://kauth.kakao.com", "/oauth/token"),
        &["account_email", "profile_image", "profile_nickname"],
        api("https://kapi.kakao.com", "", &["/v2/user/me"], accounts::kakao),
    ),
    at(
        "keycloak",
        ("", "/protocol/openid-connect/auth"),
        ("", "/protocol/openid-connect/token"),
        &["profile", "email"],
        api("", "", &["/protocol/openid-connect/userinfo"], accounts::keycloak),
    ),
    at(
        "linkedin",
        ("https://api.linkedin.com", "/oauth/v2/authorization"),
        ("https://api.linkedin.com", "/oauth/v2/accessToken"),
        &["r_emailaddress", "r_liteprofile"],
        api(
            "https://api.linkedin.com",
            "",
            &[
                "/v2/me?projection=(id,firstName,lastName,profilePicture(displayImage~:playableStreams))",
                "/v2/emailAddress?q=members&projection=(elements*(handle~))",
            ],
            accounts::linkedin,
        ),
    ),
    at(
        "linkedin_oidc",
        ("https://api.linkedin.com", "/oauth/v2/authorization"),
        ("https://api.linkedin.com", "/oauth/v2/accessToken"),
        &["openid", "email", "profile"],
        Account::IdToken(LINKEDIN, None),
    ),
    at(
        "notion",
        ("https://api.notion.com", "/v1/oauth/authorize"),
        ("https://api.notion.com", "/v1/oauth/token"),
        &[],
        Account::Api(Api {
            host: "https://api.notion.com",
            own_instance: "",
            base: "",
            paths: &["/v1/users/me"],
            quirk: Quirk::NotionVersion,
            read: accounts::notion,
        }),
    )
    .basic()
    .fixed_scopes(),
    at(
        "slack",
        ("https://slack.com", "/oauth/authorize"),
        ("https://slack.com", "/api/oauth.access"),
        &["profile", "email", "openid"],
        api("https://slack.com", "/api", &["/openid.connect.userInfo"], accounts::slack),
    ),
    at(
        "slack_oidc",
        ("https://slack.com", "/openid/connect/authorize"),
        ("https://slack.com", "/api/openid.connect.token"),
        &["profile", "email", "openid"],
        api("https://slack.com", "/api", &["/openid.connect.userInfo"], accounts::slack_oidc),
    ),
    at(
        "snapchat",
        ("https://accounts.snapchat.com", "/accounts/oauth2/auth"),
        ("https://accounts.snapchat.com", "/accounts/oauth2/token"),
        &[
            "https://auth.snapchat.com/oauth2/api/user.external_id",
            "https://auth.snapchat.com/oauth2/api/user.display_name",
            "https://auth.snapchat.com/oauth2/api/user.bitmoji.avatar",
        ],
        api(
            "https://kit.snapchat.com",
            "/v1/me",
            &["?query=%7Bme+%7B+externalId+displayName+bitmoji+%7B+avatar+id+%7D+email+%7D+%7D"],
            accounts::snapchat,
        ),
    ),
    at(
        "spotify",
        ("https://accounts.spotify.com", "/authorize"),
        ("https://accounts.spotify.com", "/api/token"),
        &["user-read-email"],
        api("https://api.spotify.com/v1", "", &["/me"], accounts::spotify),
    )
    .basic(),
    at(
        "twitch",
        ("https://id.twitch.tv", "/oauth2/authorize"),
        ("https://id.twitch.tv", "/oauth2/token"),
        &["user:read:email"],
        Account::Api(Api {
            host: "https://api.twitch.tv",
            own_instance: "",
            base: "",
            paths: &["/helix/users"],
            quirk: Quirk::ClientId,
            read: accounts::twitch,
        }),
    ),
    at(
        "vercel_marketplace",
        ("https://api.vercel.com", "/oauth/v2/authorization"),
        ("https://api.vercel.com", "/oauth/v2/accessToken"),
        &[],
        Account::IdToken(VERCEL, None),
    ),
    at(
        "workos",
        ("https://api.workos.com", "/sso/authorize"),
        ("https://api.workos.com", "/sso/token"),
        &[],
        Account::TokenAnswer("https://api.workos.com", accounts::workos),
    )
    .fixed_scopes(),
    at(
        "x",
        ("https://x.com", "/i/oauth2/authorize"),
        ("https://api.x.com", "/2/oauth2/token"),
        &["users.email", "tweet.read", "users.read", "offline.access"],
        api(
            "https://api.x.com",
            "",
            &["/2/users/me?user.fields=id,name,username,confirmed_email,profile_image_url,url,created_at"],
            accounts::x,
        ),
    )
    .basic()
    .pkce(),
    at(
        "zoom",
        ("https://zoom.us", "/oauth/authorize"),
        ("https://zoom.us", "/oauth/token"),
        &[],
        api("https://api.zoom.us", "/v2", &["/users/me"], accounts::zoom),
    )
    .basic()
    .fixed_scopes(),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::PROVIDERS;

    #[test]
    fn every_name_of_the_settings_has_its_line_but_one() {
        let names: Vec<_> = PROVIDERS.iter().filter(|name| Known::find(name).is_none()).collect();
        assert_eq!(names, [&"twitter"]);
        assert_eq!(KNOWN.len() + 1, PROVIDERS.len());
    }
}
