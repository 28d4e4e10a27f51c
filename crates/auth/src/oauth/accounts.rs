//! How each provider's API describes an account, in the terms of identities. The rules are those of
//! Supabase Auth's providers: which field is the subject, and whether an address counts as proved.

use serde_json::{Value, json};

use super::profile::Profile;

/// What a provider's API answered.
pub(crate) struct Answers<'a> {
    /// The issuer that the identity names.
    pub(crate) iss: &'a str,
    /// The answers, in the order of the questions.
    pub(crate) bodies: &'a [Value],
}

impl Answers<'_> {
    fn first(&self) -> Option<&Value> {
        self.bodies.first()
    }

    fn second(&self) -> Option<&Value> {
        self.bodies.get(1)
    }
}

/// A text or number at a JSON pointer; empty if there is none.
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn flag(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

pub(super) fn bitbucket(answers: &Answers<'_>) -> Option<Profile> {
    let (user, emails) = (answers.first()?, answers.second()?);
    let profile = Profile::of(answers.iss, text(user, "/uuid"))
        .named(text(user, "/display_name"))
        .pictured(text(user, "/avatar/href"));
    Some(list(emails, "/values").fold(profile, |profile, email| {
        profile.also_at(text(email, "/email"), flag(email, "/is_confirmed"), flag(email, "/is_primary"))
    }))
}

pub(super) fn discord(answers: &Answers<'_>) -> Option<Profile> {
    const CDN: &str = "https://cdn.discordapp.com";
    let user = answers.first()?;
    let (id, avatar, discriminator) =
        (text(user, "/id"), text(user, "/avatar"), text(user, "/discriminator"));
    let picture = if avatar.is_empty() {
        format!("{CDN}/embed/avatars/{}.png", discriminator.parse::<u32>().unwrap_or(0) % 5)
    } else {
        let kind = if avatar.starts_with("a_") { "gif" } else { "png" };
        format!("{CDN}/avatars/{id}/{avatar}.{kind}")
    };
    let name = text(user, "/username");
    Some(
        Profile::of(answers.iss, id)
            .with("name", format!("{name}#{discriminator}"))
            .with("full_name", name)
            .pictured(picture)
            .custom(json!({ "global_name": text(user, "/global_name") }))
            .reached_at(text(user, "/email"), flag(user, "/verified")),
    )
}

pub(super) fn facebook(answers: &Answers<'_>) -> Option<Profile> {
    let user = answers.first()?;
    let alias = text(user, "/name");
    Some(
        Profile::of(answers.iss, text(user, "/id"))
            .named(format!("{} {}", text(user, "/first_name"), text(user, "/last_name")))
            .with("nickname", &alias)
            .with("slug", &alias)
            .pictured(text(user, "/picture/data/url"))
            .reached_at(text(user, "/email"), true),
    )
}

pub(super) fn figma(answers: &Answers<'_>) -> Option<Profile> {
    let user = answers.first()?;
    Some(
        Profile::of(answers.iss, text(user, "/id"))
            .named(text(user, "/handle"))
            .with("avatar_url", text(user, "/img_url"))
            .reached_at(text(user, "/email"), true),
    )
}

pub(super) fn fly(answers: &Answers<'_>) -> Option<Profile> {
    let user = answers.first()?;
    let custom = ["resource_owner_id", "organizations", "application", "scope", "created_at"];
    let custom = custom.iter().map(|key| ((*key).to_owned(), user[*key].clone())).collect();
    Some(
        Profile::of(answers.iss, text(user, "/user_id"))
            .with("full_name", text(user, "/user_name"))
            .custom(Value::Object(custom))
            .reached_at(text(user, "/email"), true),
    )
}

pub(super) fn github(answers: &Answers<'_>) -> Option<Profile> {
    let (user, emails) = (answers.first()?, answers.second()?);
    let login = text(user, "/login");
    let profile = Profile::of(answers.iss, text(user, "/id"))
        .named(text(user, "/name"))
        .with("preferred_username", &login)
        .with("user_name", &login)
        .with("avatar_url", text(user, "/avatar_url"));
    Some(list(emails, "").fold(profile, |profile, email| {
        profile.also_at(text(email, "/email"), flag(email, "/verified"), flag(email, "/primary"))
    }))
}

pub(super) fn gitlab(answers: &Answers<'_>) -> Option<Profile> {
    let (user, emails) = (answers.first()?, answers.second()?);
    let profile = Profile::of(answers.iss, text(user, "/id"))
        .named(text(user, "/name"))
        .pictured(text(user, "/avatar_url"));
    // GitLab does not say whether further addresses are confirmed.
    let profile =
        list(emails, "").fold(profile, |profile, email| profile.also_at(text(email, "/email"), false, false));
    Some(profile.reached_at(text(user, "/email"), !text(user, "/confirmed_at").is_empty()))
}

pub(super) fn google(answers: &Answers<'_>) -> Option<Profile> {
    let user = answers.first()?;
    let verified = flag(user, "/verified_email") || flag(user, "/email_verified");
    Some(
        Profile::of(answers.iss, text(user, "/id"))
            .named(text(user, "/name"))
            .pictured(text(user, "/picture"))
            .reached_at(text(user, "/email"), verified),
    )
}

pub(super) fn kakao(answers: &Answers<'_>) -> Option<Profile> {
    let user = answers.first()?;
    let name = text(user, "/kakao_account/profile/nickname");
    let verified =
        flag(user, "/kakao_account/is_email_valid") && flag(user, "/kakao_account/is_email_verified");
    Some(
        Profile::of(answers.iss, text(user, "/id"))
            .named(&name)
            .with("preferred_username", &name)
            .with("user_name", &name)
            .with("avatar_url", text(user, "/kakao_account/profile/profile_image_url"))
            .reached_at(text(user, "/kakao_account/email"), verified),
    )
}

pub(super) fn keycloak(answers: &Answers<'_>) -> Option<Profile> {
    let user = answers.first()?;
    let mut custom = user.as_object()?.clone();
    custom.retain(|key, _| !matches!(key.as_str(), "name" | "sub" | "email" | "email_verified"));
    Some(
        Profile::of(answers.iss, text(user, "/sub"))
            .named(text(user, "/name"))
            .custom(Value::Object(custom))
            .reached_at(text(user, "/email"), flag(user, "/email_verified")),
    )
}

pub(super) fn linkedin(answers: &Answers<'_>) -> Option<Profile> {
    let (user, emails) = (answers.first()?, answers.second()?);
    let name = |field: &str| {
        let locale = |part: &str| text(user, &format!("/{field}/preferredLocale/{part}"));
        text(user, &format!("/{field}/localized/{}_{}", locale("language"), locale("country")))
    };
    Some(
        Profile::of(answers.iss, text(user, "/id"))
            .named(format!("{} {}", name("firstName"), name("lastName")))
            .pictured(text(user, "/profilePicture/displayImage~0/elements/0/identifiers/0/identifier"))
            .reached_at(text(emails, "/elements/0/handle~0/emailAddress"), true),
    )
}

pub(super) fn notion(answers: &Answers<'_>) -> Option<Profile> {
    let user = answers.first()?.pointer("/bot/owner/user")?;
    Some(
        Profile::of(answers.iss, text(user, "/id"))
            .named(text(user, "/name"))
            .pictured(text(user, "/avatar_url"))
            .reached_at(text(user, "/person/email"), true),
    )
}

pub(super) fn slack(answers: &Answers<'_>) -> Option<Profile> {
    let user = answers.first()?;
    Some(slack_account(answers.iss, user).reached_at(text(user, "/email"), true))
}

pub(super) fn slack_oidc(answers: &Answers<'_>) -> Option<Profile> {
    let user = answers.first()?;
    Some(slack_account(answers.iss, user).reached_at(text(user, "/email"), flag(user, "/email_verified")))
}

fn slack_account(iss: &str, user: &Value) -> Profile {
    const TEAM: &str = "https://slack.com/team_id";
    Profile::of(iss, text(user, "/https:~1~1slack.com~1user_id"))
        .named(text(user, "/name"))
        .pictured(text(user, "/picture"))
        .custom(json!({ TEAM: text(user, "/https:~1~1slack.com~1team_id") }))
}

pub(super) fn snapchat(answers: &Answers<'_>) -> Option<Profile> {
    let user = answers.first()?.pointer("/data/me")?;
    let name = text(user, "/displayName");
    Some(
        Profile::of(super::catalog::SNAPCHAT, text(user, "/externalId"))
            .named(&name)
            .with("slug", &name)
            .pictured(text(user, "/bitmoji/avatar"))
            .reached_at(text(user, "/email"), true),
    )
}

pub(super) fn spotify(answers: &Answers<'_>) -> Option<Profile> {
    let user = answers.first()?;
    let size = |image: &&Value| {
        let side = |pointer| image.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
        side("/height").saturating_mul(side("/width"))
    };
    // Of pictures of one size the first.
    let largest =
        list(user, "/images").reduce(|best, next| if size(&next) > size(&best) { next } else { best });
    // Spotify does not say whether the address was ever proved.
    Some(
        Profile::of(answers.iss, text(user, "/id"))
            .named(text(user, "/display_name"))
            .pictured(largest.map(|image| text(image, "/url")).unwrap_or_default())
            .reached_at(text(user, "/email"), false),
    )
}

pub(super) fn twitch(answers: &Answers<'_>) -> Option<Profile> {
    let user = answers.first()?.pointer("/data/0")?;
    let custom = ["broadcaster_type", "description", "type", "offline_image_url", "view_count"];
    let custom = custom.iter().map(|key| ((*key).to_owned(), user[*key].clone())).collect();
    let shown = text(user, "/display_name");
    Some(
        Profile::of(answers.iss, text(user, "/id"))
            .named(text(user, "/login"))
            .with("nickname", &shown)
            .with("slug", &shown)
            .pictured(text(user, "/profile_image_url"))
            .custom(Value::Object(custom))
            .reached_at(text(user, "/email"), true),
    )
}

pub(super) fn workos(answers: &Answers<'_>) -> Option<Profile> {
    let user = answers.first()?.get("profile")?;
    let custom = json!({
        "connection_id": text(user, "/connection_id"),
        "organization_id": text(user, "/organization_id"),
    });
    Some(
        Profile::of(answers.iss, text(user, "/id"))
            .named(format!("{} {}", text(user, "/first_name"), text(user, "/last_name")))
            .custom(custom)
            .reached_at(text(user, "/email"), true),
    )
}

pub(super) fn x(answers: &Answers<'_>) -> Option<Profile> {
    let user = answers.first()?.get("data")?;
    let name = text(user, "/username");
    Some(
        Profile::of(answers.iss, text(user, "/id"))
            .named(text(user, "/name"))
            .with("preferred_username", &name)
            .with("user_name", &name)
            .with("profile", format!("https://x.com/{name}"))
            .with("website", text(user, "/url"))
            .pictured(text(user, "/profile_image_url"))
            .custom(json!({ "created_at": text(user, "/created_at") }))
            .reached_at(text(user, "/confirmed_email"), true),
    )
}

pub(super) fn zoom(answers: &Answers<'_>) -> Option<Profile> {
    let user = answers.first()?;
    // Type 100 signs in at Zoom by address and password; all others were proved elsewhere.
    let verified =
        text(user, "/login_type") != "100" || !matches!(text(user, "/verified").as_str(), "" | "0");
    Some(
        Profile::of(answers.iss, text(user, "/id"))
            .named(format!("{} {}", text(user, "/first_name"), text(user, "/last_name")))
            .pictured(text(user, "/pic_url"))
            .reached_at(text(user, "/email"), verified),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(of: fn(&Answers<'_>) -> Option<Profile>, bodies: &[Value]) -> Profile {
        of(&Answers { iss: "https://api.test", bodies }).unwrap()
    }

    /// Subject, name, picture, address and whether it counts as proved.
    fn check(profile: &Profile, sub: &str, name: &str, picture: &str, email: &str, verified: bool) {
        let text = |key: &str| profile.data.get(key).and_then(Value::as_str).unwrap_or_default();
        assert_eq!((profile.sub(), text("full_name"), text("avatar_url")), (sub, name, picture));
        let found = profile.email().unwrap();
        assert_eq!((found.address.as_str(), found.verified), (email, verified));
    }

    #[test]
    fn accounts_as_their_providers_describe_them() {
        let emails = json!([
            { "email": "old@x.test", "primary": false, "verified": true },
            { "email": "j@x.test", "primary": true, "verified": false },
        ]);
        let user = json!({ "id": 42, "login": "jane", "name": "Jane", "avatar_url": "https://a.test/p" });
        check(&read(github, &[user, emails]), "42", "Jane", "https://a.test/p", "j@x.test", false);

        let user = json!({ "id": 7, "name": "Jane", "email": "j@x.test", "confirmed_at": "2020-01-01" });
        let further = json!([{ "id": 1, "email": "other@x.test" }]);
        let profile = read(gitlab, &[user, further]);
        check(&profile, "7", "Jane", "", "j@x.test", true);
        assert_eq!(profile.verified(), ["j@x.test"]);

        let user = json!({ "id": "9", "username": "jane", "discriminator": "0007", "avatar": "a_1",
            "email": "j@x.test", "verified": true, "global_name": "J" });
        let profile = read(discord, &[user]);
        check(&profile, "9", "jane", "https://cdn.discordapp.com/avatars/9/a_1.gif", "j@x.test", true);
        assert_eq!(profile.data["name"], "jane#0007");

        let user = json!({ "id": "s", "display_name": "Jane", "email": "j@x.test", "images": [
            { "url": "https://a.test/1", "height": 1, "width": 1 },
            { "url": "https://a.test/2", "height": 9, "width": 9 },
        ] });
        check(&read(spotify, &[user]), "s", "Jane", "https://a.test/2", "j@x.test", false);

        let user = json!({ "https://slack.com/user_id": "U1", "https://slack.com/team_id": "T1",
            "name": "Jane", "picture": "https://a.test/p", "email": "j@x.test", "email_verified": false });
        check(
            &read(slack_oidc, std::slice::from_ref(&user)),
            "U1",
            "Jane",
            "https://a.test/p",
            "j@x.test",
            false,
        );
        check(&read(slack, &[user]), "U1", "Jane", "https://a.test/p", "j@x.test", true);

        let kakao_account = json!({ "profile": { "nickname": "Jane" }, "email": "j@x.test",
            "is_email_valid": true, "is_email_verified": false });
        let user = json!({ "id": 3, "kakao_account": kakao_account });
        check(&read(kakao, &[user]), "3", "Jane", "", "j@x.test", false);

        let name = json!({ "localized": { "en_US": "Jane" },
            "preferredLocale": { "language": "en", "country": "US" } });
        let user = json!({ "id": "l", "firstName": name, "lastName": name, "profilePicture": {
            "displayImage~": { "elements": [{ "identifiers": [{ "identifier": "https://a.test/p" }] }] } } });
        let emails = json!({ "elements": [{ "handle~": { "emailAddress": "j@x.test" } }] });
        check(&read(linkedin, &[user, emails]), "l", "Jane Jane", "https://a.test/p", "j@x.test", true);

        for (login_type, verified, proved) in [("100", 0, false), ("100", 1, true), ("1", 0, true)] {
            let user = json!({ "id": "z", "first_name": "Jane", "email": "j@x.test",
                "login_type": login_type, "verified": verified });
            check(&read(zoom, &[user]), "z", "Jane", "", "j@x.test", proved);
        }
    }

    #[test]
    fn an_answer_of_another_shape_is_no_account() {
        for of in [notion, snapchat, twitch, workos, x] {
            assert!(of(&Answers { iss: "", bodies: &[json!({ "error": "no" })] }).is_none());
            assert!(of(&Answers { iss: "", bodies: &[] }).is_none());
        }
    }
}
