//! Ways in that strangers try.

use actix_web::http::Method;
use chrono::TimeDelta;
use futures_util::future::join;
use serde_json::json;

use super::idp::{self, Message, Signed, encoded};
use super::{SITE, Scene, failed, session, with_saml};
use crate::harness::request;

/// What `text` holds from `begin` to `end`, both included.
fn cut<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let from = text.find(begin).unwrap();
    let to = text[from..].find(end).unwrap() + from + end.len();
    &text[from..to]
}

/// A good document in pieces: head and tail of the response, the assertion, its signature.
struct Pieces {
    head: String,
    tail: String,
    assertion: String,
    signature: String,
}

impl Pieces {
    fn of(document: &str) -> Self {
        let assertion = cut(document, "<saml:Assertion", "</saml:Assertion>");
        let (head, tail) = document.split_once(assertion).unwrap();
        let signature = cut(assertion, "<ds:Signature", "</ds:Signature>").to_owned();
        Self { head: head.to_owned(), tail: tail.to_owned(), assertion: assertion.to_owned(), signature }
    }

    /// The assertion without its signature.
    fn bare(&self) -> String {
        self.assertion.replace(&self.signature, "")
    }

    /// An assertion about somebody else, without a signature, and with an id of its own.
    fn evil(&self) -> String {
        evil(&self.bare(), "<saml:Assertion")
    }

    fn response(&self, content: &str) -> String {
        format!("{}{content}{}", self.head, self.tail)
    }
}

/// As `xml`, but about an administrator, and with another id on the element that begins so.
fn evil(xml: &str, element: &str) -> String {
    let tag = cut(xml, element, ">").to_owned();
    let id = cut(&tag, " ID=\"", "\" ").to_owned();
    let renamed = tag.replace(&id, " ID=\"_evil\" ");
    xml.replace(&tag, &renamed).replace("jane-4711", "admin-1").replace("Jane@Corp.test", "admin@corp.test")
}

/// `signature` with `content` in an `Object`.
fn holding(signature: &str, content: &str) -> String {
    signature.replace("</ds:Signature>", &format!("<ds:Object>{content}</ds:Object></ds:Signature>"))
}

#[actix_web::test]
async fn signed_parts_that_were_moved_about() {
    let scene = Scene::start().await;
    let pieces = Pieces::of(&Message::at(scene.now()).document());
    let Pieces { assertion, signature, .. } = &pieces;
    let (bare, evil_assertion) = (pieces.bare(), pieces.evil());
    // The signature goes behind the issuer.
    let signed_by = |assertion: &str, signature: &str| {
        let (before, after) = assertion.split_once("</saml:Issuer>").unwrap();
        format!("{before}</saml:Issuer>{signature}{after}")
    };
    let inside =
        |outer: &str, inner: &str| outer.replace("</saml:Assertion>", &format!("{inner}</saml:Assertion>"));
    let extensions = |content: &str| format!("<samlp:Extensions>{content}</samlp:Extensions>");

    let whole = Message { signed: Signed::Response, ..Message::at(scene.now()) }.document();
    let of_response = cut(&whole, "<ds:Signature", "</ds:Signature>").to_owned();
    let bare_response = whole.replace(&of_response, "");
    let evil_response = evil(&bare_response, "<samlp:Response");
    let answered_by = |response: &str, more: &str| {
        let (before, after) = response.split_once("</saml:Issuer>").unwrap();
        format!("{before}</saml:Issuer>{more}{after}")
    };

    let variants = [
        // The numbers are those of "On Breaking SAML: Be Whoever You Want to Be".
        ("1", answered_by(&evil_response, &holding(&of_response, &bare_response))),
        ("2", answered_by(&evil_response, &format!("{bare_response}{of_response}"))),
        ("3", pieces.response(&format!("{evil_assertion}{assertion}"))),
        ("3, behind", pieces.response(&format!("{assertion}{evil_assertion}"))),
        ("4", pieces.response(&inside(&evil_assertion, assertion))),
        ("5", pieces.response(&format!("{}{bare}", signed_by(&evil_assertion, signature)))),
        ("6", pieces.response(&signed_by(&evil_assertion, &holding(signature, &bare)))),
        ("6, plain", {
            let inner = signature.replace("</ds:Signature>", &format!("{bare}</ds:Signature>"));
            pieces.response(&signed_by(&evil_assertion, &inner))
        }),
        ("7", pieces.response(&format!("{}{assertion}", extensions(&evil_assertion)))),
        ("7, the other way", pieces.response(&format!("{}{evil_assertion}", extensions(assertion)))),
        ("8", pieces.response(&holding(&signed_by(&evil_assertion, signature), assertion))),
        ("one id twice", {
            let same = evil_assertion.replace(
                "_evil",
                cut(assertion, " ID=\"", "\" ").trim_matches([' ', '"']).strip_prefix("ID=\"").unwrap(),
            );
            pieces.response(&format!("{same}{}", extensions(assertion)))
        }),
        ("an id of another kind", {
            let id = cut(assertion, " ID=\"", "\" ").to_owned();
            let other = signed_by(&evil_assertion, signature)
                .replace(" ID=\"_evil\" ", &format!(" ID=\"_evil\" xml:{} ", id.trim().to_lowercase()));
            pieces.response(&other)
        }),
        ("signature elsewhere", pieces.response(&format!("{evil_assertion}{signature}"))),
        (
            "signature of nothing",
            pieces.response(&signed_by(
                &evil_assertion,
                &signature.replace(cut(signature, "URI=\"", "\">"), "URI=\"\">"),
            )),
        ),
        ("signature of the other", {
            let response_id = cut(&pieces.head, " ID=\"", "\" ").to_owned();
            let id = response_id.trim().strip_prefix("ID=\"").unwrap().trim_end_matches('"').to_owned();
            pieces.response(&signed_by(
                &evil_assertion,
                &signature.replace(cut(signature, "URI=\"", "\">"), &format!("URI=\"#{id}\">")),
            ))
        }),
        ("two references", {
            let reference = cut(signature, "<ds:Reference", "</ds:Reference>");
            pieces.response(&assertion.replace(reference, &reference.repeat(2)))
        }),
        ("a response in a response", pieces.response(&format!("{whole}{evil_assertion}"))),
    ];
    for (name, document) in variants {
        assert!(document.contains("admin-1") || name == "two references", "{name}");
        let said = scene.refused(&document).await;
        let reasons = [
            "there is not exactly one assertion",
            "covers another element",
            "has a shape that is not SAML's",
            "an id occurs twice or can be read in two ways",
            "there is a signature where none belongs",
        ];
        assert!(reasons.iter().any(|reason| said.contains(reason)), "{name}: {said}");
    }
    assert_eq!(scene.api.value("select count(*) from auth.users").await.as_deref(), Some("0"));
    session(&scene.bring(&pieces.response(assertion), "").await, SITE);
}

#[actix_web::test]
async fn what_was_signed_by_nobody_or_by_somebody_else() {
    let scene = Scene::start().await;
    let now = scene.now();
    let said = scene.refused(&Message { signed: Signed::Nothing, ..Message::at(now) }.document()).await;
    assert!(said.contains("neither response nor assertion is signed"), "{said}");
    for signed in [Signed::Response, Signed::Assertion, Signed::Both] {
        let stranger = Message { key: "stranger", signed, ..Message::at(now) };
        // Its own certificate comes along, and is not looked at.
        assert!(stranger.document().contains("<ds:X509Certificate>"));
        let said = scene.refused(&stranger.document()).await;
        assert!(said.contains("the signature does not fit"), "{said}");
    }
    // Signed well once, and changed since.
    for (from, to) in [
        ("jane-4711", "jane-4712"),
        ("Jane@Corp.test", "admin@corp.test"),
        ("NotOnOrAfter=\"2027", "NotOnOrAfter=\"2028"),
        ("<saml:NameID", "<saml:NameID SPNameQualifier=\"x\""),
    ] {
        for signed in [Signed::Response, Signed::Assertion, Signed::Both] {
            let document = Message { signed, ..Message::at(now) }.document();
            let said = scene.refused(&document.replace(from, to)).await;
            assert!(said.contains("the signature does not fit"), "{from}: {said}");
        }
    }
    // One signature of two is good.
    let both = Message { signed: Signed::Both, ..Message::at(now) };
    let other = Message { signed: Signed::Both, key: "stranger", ..both.clone() };
    let inner = cut(&other.document(), "<saml:Assertion", "</saml:Assertion>").to_owned();
    let mixed =
        both.document().replace(cut(&both.document(), "<saml:Assertion", "</saml:Assertion>"), &inner);
    let said = scene.refused(&mixed).await;
    assert!(said.contains("the signature does not fit"), "{said}");
}

#[actix_web::test]
async fn algorithms_that_say_nothing() {
    let scene = Scene::start().await;
    let document = Message::at(scene.now()).document();
    let signature = cut(&document, "<ds:Signature", "</ds:Signature>").to_owned();
    for (from, to, reason) in [
        ("xmldsig-more#rsa-sha256", "xmldsig-more#hmac-sha256", "algorithms"),
        (
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
            "algorithms",
        ),
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "none", "algorithms"),
        (
            "http://www.w3.org/2001/04/xmlenc#sha256",
            "http://www.w3.org/2001/04/xmldsig-more#md5",
            "algorithms",
        ),
        ("xml-exc-c14n#\"/><ds:SignatureMethod", "x\"/><ds:SignatureMethod", "algorithms"),
        (
            "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
            "http://www.w3.org/TR/1999/REC-xslt-19991116",
            "shape",
        ),
        (
            "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
            "http://www.w3.org/TR/1999/REC-xpath-19991116",
            "shape",
        ),
        (
            "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>",
            "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"><x/></ds:Transform>",
            "shape",
        ),
        (
            "</ds:Transforms>",
            "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#base64\"/></ds:Transforms>",
            "shape",
        ),
        ("<ds:SignatureValue>", "<ds:SignatureValue Id=\"a\"/><ds:SignatureValue>", "shape"),
    ] {
        assert!(signature.contains(from), "{from}");
        let said = scene.refused(&document.replace(&signature, &signature.replace(from, to))).await;
        assert!(said.contains(reason), "{to}: {said}");
    }
}

#[actix_web::test]
async fn what_is_for_somebody_else_or_for_another_time() {
    let scene = Scene::start().await;
    let now = scene.now();
    let check = async |message: Message, reason: &str| {
        for signed in [Signed::Response, Signed::Assertion] {
            let id = format!("_{}", uuid::Uuid::new_v4());
            let said = scene.refused(&Message { signed, id, ..message.clone() }.document()).await;
            assert!(said.contains(reason), "{reason}: {said}");
        }
    };
    let good = || Message::at(now);
    let other = "https://other.test/acs".to_owned();
    check(
        Message { audience: Some("https://other.test".to_owned()), ..good() },
        "the assertion is not for us",
    )
    .await;
    check(Message { audience: None, ..good() }, "the assertion is not for us").await;
    check(Message { destination: Some(other.clone()), ..good() }, "sent somewhere else").await;
    check(Message { recipient: other, ..good() }, "nothing says that the bearer").await;
    let said =
        scene.refused(&Message { destination: None, signed: Signed::Response, ..good() }.document()).await;
    assert!(said.contains("sent somewhere else"), "{said}");
}

#[actix_web::test]
async fn issuers() {
    let scene = Scene::start().await;
    let unknown = "A SAML connection has not been established with this Identity Provider";
    let message = Message { issuer: "https://other.test".to_owned(), ..Message::at(scene.now()) };
    failed(&scene.bring(&message.document(), "").await, "server_error", "saml_idp_not_found", unknown);
    let message = Message { assertion_issuer: "https://other.test".to_owned(), ..Message::at(scene.now()) };
    let said = scene.refused(&message.document()).await;
    assert!(said.contains("from another identity provider"), "{said}");

    // One provider cannot speak for another, whose name it uses.
    let more = json!({ "type": "saml", "metadata_xml": idp::metadata("https://rival.test", "stranger"), "domains": ["rival.test"] });
    assert_eq!(scene.api.post_as(&scene.admin, "/admin/sso/providers", more).await.status, 201);
    let (id, relay_state) = scene.begin(json!({ "domain": "rival.test" })).await;
    let as_corp = Message { key: "stranger", ..Message::answering(scene.now(), &id) };
    let said = scene.refused_with(&as_corp.document(), &relay_state).await;
    assert!(said.contains("from another identity provider"), "{said}");
    let rival = "https://rival.test".to_owned();
    let as_itself = Message {
        issuer: rival.clone(),
        assertion_issuer: rival,
        key: "stranger",
        ..Message::at(scene.now())
    };
    let rivals = session(&scene.bring(&as_itself.document(), "").await, SITE);
    let janes = session(&scene.bring(&Message::at(scene.now()).document(), "").await, SITE);
    let id = async |token: &str| scene.api.get("/user", token).await.ok()["id"].clone();
    assert_ne!(id(&rivals["access_token"]).await, id(&janes["access_token"]).await);
}

#[actix_web::test]
async fn times() {
    let scene = Scene::start().await;
    let now = scene.now();
    let (second, minute) = (TimeDelta::seconds(1), TimeDelta::minutes(1));
    let check = async |message: Message, reason: &str| match reason {
        "" => drop(session(&scene.bring(&message.document(), "").await, SITE)),
        reason => {
            // Where nobody is let in there are no sessions.
            scene.api.sql("delete from auth.sessions").await;
            let said = scene.refused(&message.document()).await;
            assert!(said.contains(reason), "{reason}: {said}");
        }
    };
    let good = || Message::at(now);
    check(Message { not_on_or_after: now - minute * 3, ..good() }, "NotOnOrAfter").await;
    check(Message { not_on_or_after: now - minute * 3 + second * 2, ..good() }, "").await;
    check(Message { not_before: now + minute * 3 + second * 2, ..good() }, "NotBefore").await;
    check(Message { not_before: now + minute * 3, ..good() }, "").await;
    check(Message { session_ends_at: Some(now - minute * 3), ..good() }, "SessionNotOnOrAfter").await;
    check(Message { issued_at: now - second * 272, ..good() }, "too long ago").await;
    check(Message { issued_at: now - second * 268, ..good() }, "").await;
    check(Message { issued_at: now + second * 182, ..good() }, "in the future").await;
    check(Message { issued_at: now + second * 178, ..good() }, "").await;
    check(Message { status: "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed", ..good() }, "AuthnFailed")
        .await;
}

#[actix_web::test]
async fn answers_belong_to_requests() {
    let scene = Scene::start().await;
    let (id, _) = scene.begin(json!({})).await;
    // An answer to a request is not taken from nowhere, nor for another one.
    let said = scene.refused(&Message::answering(scene.now(), &id).document()).await;
    assert!(said.contains("does not answer our request"), "{said}");
    let (_, another) = scene.begin(json!({})).await;
    let said = scene.refused_with(&Message::answering(scene.now(), &id).document(), &another).await;
    assert!(said.contains("does not answer our request"), "{said}");
    let (_, another) = scene.begin(json!({})).await;
    let said = scene.refused_with(&Message::at(scene.now()).document(), &another).await;
    assert!(said.contains("does not answer our request"), "{said}");
    // The envelope says the right thing, and what is signed the wrong one.
    let (id, another) = scene.begin(json!({})).await;
    let document = Message::at(scene.now()).document();
    let dressed = document.replacen("Destination=", &format!("InResponseTo=\"{id}\" Destination="), 1);
    let said = scene.refused_with(&dressed, &another).await;
    assert!(said.contains("nothing says that the bearer"), "{said}");

    let answer = scene.bring(&document, "11111111-1111-4111-8111-111111111111").await;
    let unknown = "SAML RelayState does not exist, try logging in again?";
    failed(&answer, "server_error", "saml_relay_state_not_found", unknown);
    let (id, late) = scene.begin(json!({})).await;
    scene.api.advance(120);
    let expired = "SAML RelayState has expired. Try logging in again?";
    let document = Message::answering(scene.now(), &id).document();
    failed(&scene.bring(&document, &late).await, "server_error", "saml_relay_state_expired", expired);
    failed(&scene.bring(&document, &late).await, "server_error", "saml_relay_state_not_found", unknown);
    let (id, in_time) = scene.begin(json!({})).await;
    scene.api.advance(119);
    let document = Message::answering(scene.now(), &id).document();
    session(&scene.bring(&document, &in_time).await, SITE);
    failed(&scene.bring(&document, &in_time).await, "server_error", "saml_relay_state_not_found", unknown);
}

#[actix_web::test]
async fn an_assertion_is_good_once() {
    let scene = Scene::start().await;
    let message = Message::at(scene.now());
    let document = message.document();
    let (first, second) = join(scene.bring(&document, ""), scene.bring(&document, "")).await;
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [302, 303]);
    // Not in another envelope either, nor later, as long as it would be good at all.
    let other = document.replacen("<samlp:Response ", "<samlp:Response Consent=\"x\" ", 1);
    for document in [&document, &other] {
        let answer = scene.bring(document, "").await;
        failed(&answer, "invalid_request", "validation_failed", "SAML Assertion is not valid");
    }
    scene.api.advance(269);
    let answer = scene.bring(&document, "").await;
    failed(&answer, "invalid_request", "validation_failed", "SAML Assertion is not valid");
    assert_eq!(scene.api.value("select count(*) from auth.sessions").await.as_deref(), Some("1"));
    let kept = "select extract(epoch from expires_at)::int8 - 1800000000 from auth.basalt_spent";
    assert!(scene.api.value(kept).await.unwrap().parse::<i64>().unwrap() > 450);
}

#[actix_web::test]
async fn documents_that_can_be_read_in_two_ways() {
    let scene = Scene::start().await;
    let document = Message::at(scene.now()).document();
    let invalid = async |document: &str| {
        let answer = scene.bring(document, "").await;
        let text = "SAMLResponse is not a valid XML SAML assertion";
        failed(&answer, "invalid_request", "validation_failed", text);
        // A sign-in that we began refuses the same.
        let (_, relay_state) = scene.begin(json!({})).await;
        scene.refused_with(document, &relay_state).await
    };
    let said = invalid(&document.replace("jane-4711", "admin<!-- -->-1")).await;
    assert!(said.contains("has comments"), "{said}");
    let evil = Message {
        name_id: (idp::EMAIL, "admin@corp.test<!-- -->.evil.test".to_owned()),
        ..Message::at(scene.now())
    };
    assert!(invalid(&evil.document()).await.contains("has comments"));
    assert!(invalid(&document.replace("jane-4711", "<![CDATA[jane-4711]]>")).await.contains("has CDATA"));
    assert!(invalid(&format!("<!DOCTYPE x>{document}")).await.contains("has a document type"));
    let bomb = (1..10).fold("<!ENTITY a0 \"x\">".to_owned(), |entities, n| {
        format!("{entities}<!ENTITY a{n} \"{}\">", format!("&a{};", n - 1).repeat(10))
    });
    let bomb = format!("<!DOCTYPE x [{bomb}]>{}", document.replace("jane-4711", "&a9;"));
    assert!(invalid(&bomb).await.contains("has a document type"));
    let file = format!(
        "<!DOCTYPE x [<!ENTITY f SYSTEM \"file:///etc/passwd\">]>{}",
        document.replace("jane-4711", "&f;")
    );
    assert!(invalid(&file).await.contains("has a document type"));
    assert!(invalid(&document.replace("jane-4711", "&unknown;")).await.contains("not well-formed"));
    assert!(
        invalid(&format!("<?xml-stylesheet href=\"x\"?>{document}"))
            .await
            .contains("processing instructions")
    );
    let utf7 = format!("<?xml version=\"1.0\" encoding=\"UTF-7\"?>{document}");
    assert!(invalid(&utf7).await.contains("an encoding other than UTF-8"));
    assert!(invalid(&document.replace("jane-4711", &"<a>".repeat(40))).await.contains("too many levels"));
    assert!(
        invalid(&document.replace("jane-4711", &"x".repeat(300_000)))
            .await
            .contains("longer than 262144 bytes")
    );
    for text in
        ["", "hello", "<Response/>", "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:1.0:protocol\"/>"]
    {
        let answer = scene.bring(text, "").await;
        let text = if text.is_empty() {
            "SAMLResponse is missing"
        } else {
            "SAMLResponse is not a valid XML SAML assertion"
        };
        failed(&answer, "invalid_request", "validation_failed", text);
    }
}

#[actix_web::test]
async fn forms_that_are_none() {
    let scene = Scene::start().await;
    let check = async |fields: &[(&str, &str)], text: &str| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        failed(&scene.post_form(&fields).await, "invalid_request", "validation_failed", text);
    };
    check(&[], "SAMLResponse is missing").await;
    check(&[("SAMLResponse", "***")], "SAMLResponse is not a valid Base64 string").await;
    check(&[("SAMLResponse", "/w==")], "SAMLResponse is not a valid XML SAML assertion").await;
    check(&[("SAMLart", "x")], "SAML Artifact response can only be used with SP initiated flow").await;
    let relay_state = scene.begin(json!({})).await.1;
    check(&[("SAMLart", "x"), ("RelayState", &relay_state)], "SAML Artifact responses are not supported")
        .await;
    // What is too large for a form is no form.
    let huge = request(Method::POST, "/sso/saml/acs", "").set_payload(vec![b'x'; 1024 * 1024 + 1]);
    let text = "Request body too large (max 1048576 bytes)";
    scene.api.send(huge).await.refused(413, "request_entity_too_large", text);
    // Lines in the text of a form say nothing.
    let document = encoded(&Message::at(scene.now()).document());
    let lines: Vec<String> =
        document.as_bytes().chunks(76).map(|line| String::from_utf8(line.to_vec()).unwrap()).collect();
    session(&scene.post_form(&[("SAMLResponse", lines.join("\r\n"))]).await, SITE);
}

#[actix_web::test]
async fn nobody_signs_up_where_nobody_may() {
    let mut config = with_saml();
    config.enable_signup = false;
    let scene = Scene::with(config, json!({})).await;
    let answer = scene.bring(&Message::at(scene.now()).document(), "").await;
    failed(&answer, "access_denied", "signup_disabled", "Signups not allowed for this instance");
    // What failed used nothing up.
    assert_eq!(scene.api.value("select count(*) from auth.basalt_spent").await.as_deref(), Some("0"));
}
