//! Our own texts. One description of a mail yields its HTML and its plain text.
//!
//! The texts are templates and go into HTML as they are: no letter in them needs an entity.

use std::fmt::Write;

use super::Kind;

/// What a mail says.
pub(super) struct Wording {
    pub(super) subject: &'static str,
    heading: &'static str,
    /// Paragraphs before the button.
    before: &'static [&'static str],
    /// What the button says that leads to the link.
    button: Option<&'static str>,
    /// Introduces the code.
    code: Option<&'static str>,
    /// Paragraphs at the end.
    after: &'static [&'static str],
}

const NOT_YOU: &str = "If you did not ask for this, you can ignore this mail.";
const ACT: &str = "If this was not you, change your password and write to support at once.";
const ENTER: &str = "Or enter this code:";

pub(super) fn of(kind: Kind) -> Wording {
    let notice = |subject, heading, before| Wording {
        subject,
        heading,
        before,
        button: None,
        code: None,
        after: &[ACT],
    };
    match kind {
        Kind::Invite => Wording {
            subject: "You've been invited",
            heading: "You have been invited",
            before: &[
                "You have been invited to create an account on {{ .SiteURL }}. Accept to choose how you sign in.",
            ],
            button: Some("Accept the invitation"),
            code: Some(ENTER),
            after: &["If you do not know who invites you, you can ignore this mail."],
        },
        Kind::Confirmation => Wording {
            subject: "Confirm your email address",
            heading: "Confirm your address",
            before: &["Confirm that {{ .Email }} is yours to finish signing up."],
            button: Some("Confirm my address"),
            code: Some(ENTER),
            after: &[NOT_YOU],
        },
        Kind::Recovery => Wording {
            subject: "Reset your password",
            heading: "Reset your password",
            before: &["Somebody, hopefully you, asked for a new password for {{ .Email }}."],
            button: Some("Choose a new password"),
            code: Some(ENTER),
            after: &[
                "If you did not ask for this, your password stays as it is and you can ignore this mail.",
            ],
        },
        Kind::MagicLink => Wording {
            subject: "Your sign-in link",
            heading: "Sign in",
            before: &["This link signs you in as {{ .Email }}. It can be used once, and not for long."],
            button: Some("Sign in"),
            code: Some(ENTER),
            after: &[NOT_YOU],
        },
        Kind::EmailChange => Wording {
            subject: "Confirm your new email address",
            heading: "Confirm the change of your address",
            before: &[
                "Confirm that the address of your account changes{{ if .Email }} from {{ .Email }}{{ end }} to {{ .NewEmail }}.",
            ],
            button: Some("Confirm the change"),
            code: Some(ENTER),
            after: &[NOT_YOU],
        },
        Kind::Reauthentication => Wording {
            subject: "{{ .Token }} is your verification code",
            heading: "Your verification code",
            before: &[],
            button: None,
            code: Some("Enter this code to prove that it is you:"),
            after: &["It is good for a short time. If you did not ask for it, change your password."],
        },
        Kind::PasswordChanged => notice(
            "Your password was changed",
            "Your password was changed",
            &["The password of your account {{ .Email }} was changed just now."],
        ),
        Kind::EmailChanged => notice(
            "Your email address was changed",
            "Your address was changed",
            &["The address of your account was changed from {{ .OldEmail }} to {{ .Email }}."],
        ),
        Kind::PhoneChanged => notice(
            "Your phone number was changed",
            "Your phone number was changed",
            &[
                "The phone number of your account {{ .Email }} was changed{{ if .OldPhone }} from {{ .OldPhone }}{{ end }} to {{ .Phone }}.",
            ],
        ),
        Kind::IdentityLinked => notice(
            "A new sign-in method was linked to your account",
            "A way to sign in was added",
            &["One can now sign in to your account {{ .Email }} with {{ .Provider }}."],
        ),
        Kind::IdentityUnlinked => notice(
            "A sign-in method was removed from your account",
            "A way to sign in was removed",
            &["One can no longer sign in to your account {{ .Email }} with {{ .Provider }}."],
        ),
        Kind::FactorEnrolled => notice(
            "A new verification method was added to your account",
            "A second factor was added",
            &["The second factor {{ .FactorType }} was added to your account {{ .Email }}."],
        ),
        Kind::FactorUnenrolled => notice(
            "A verification method was removed from your account",
            "A second factor was removed",
            &["The second factor {{ .FactorType }} was removed from your account {{ .Email }}."],
        ),
        Kind::NewDevice => notice(
            "New sign-in to your account",
            "New sign-in to your account",
            &[
                "Somebody, hopefully you, signed in to your account {{ .Email }} from a browser or a network that is new to it.",
                "Time: {{ .Time }} · address: {{ .IP }}{{ if .UserAgent }} · browser: {{ .UserAgent }}{{ end }}",
            ],
        ),
    }
}

const FONT: &str = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const PARAGRAPH: &str = "margin:0 0 16px;font-size:16px;line-height:24px;color:#3f3f46";
const SMALL: &str = "margin:0 0 8px;font-size:13px;line-height:20px;color:#71717a";

impl Wording {
    /// The template of the page.
    pub(super) fn html(&self) -> String {
        let mut body = String::new();
        for text in self.before {
            paragraph(&mut body, PARAGRAPH, text);
        }
        if let Some(button) = self.button {
            body.push_str(&format!(
                "<p style=\"margin:24px 0\"><a href=\"{{{{ .ConfirmationURL }}}}\" style=\"display:inline-block;\
                 padding:12px 24px;border-radius:8px;background:#18181b;color:#ffffff;font-size:16px;\
                 font-weight:600;text-decoration:none\">{button}</a></p>\n"
            ));
        }
        if let Some(code) = self.code {
            paragraph(&mut body, PARAGRAPH, code);
            body.push_str(
                "<p style=\"margin:0 0 24px;padding:12px 16px;border-radius:8px;background:#f4f4f5;\
                 font-family:ui-monospace,Menlo,Consolas,monospace;font-size:28px;line-height:32px;\
                 letter-spacing:6px;text-align:center;color:#18181b\">{{ .Token }}</p>\n",
            );
        }
        for text in self.after {
            paragraph(&mut body, SMALL, text);
        }
        if self.button.is_some() {
            paragraph(&mut body, SMALL, "If the button does not work, open this address:");
            paragraph(
                &mut body,
                "margin:0;font-size:12px;line-height:18px;color:#71717a;word-break:break-all",
                "<a href=\"{{ .ConfirmationURL }}\" style=\"color:#71717a\">{{ .ConfirmationURL }}</a>",
            );
        }
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light\">\n<title>{heading}</title>\n</head>\n\
             <body style=\"margin:0;padding:0;background:#f4f4f5;font-family:{FONT}\">\n\
             <table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\"><tr>\
             <td align=\"center\" style=\"padding:32px 16px\">\n\
             <table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" \
             style=\"max-width:520px;background:#ffffff;border:1px solid #e4e4e7;border-radius:12px\"><tr>\
             <td align=\"left\" style=\"padding:32px\">\n\
             <h1 style=\"margin:0 0 16px;font-size:22px;line-height:28px;color:#18181b\">{heading}</h1>\n\
             {body}</td></tr></table>\n\
             <p style=\"margin:16px 0 0;font-size:12px;line-height:18px;color:#a1a1aa\">{{{{ .SiteURL }}}}</p>\n\
             </td></tr></table>\n</body>\n</html>\n",
            heading = self.heading,
        )
    }

    /// The template of the plain text.
    pub(super) fn text(&self) -> String {
        let mut out = format!("{}\n\n", self.heading);
        // Lines that cannot be wrong: writing to a string does not fail.
        for text in self.before {
            let _ = writeln!(out, "{text}\n");
        }
        if let Some(button) = self.button {
            let _ = writeln!(out, "{button}:\n{{{{ .ConfirmationURL }}}}\n");
        }
        if let Some(code) = self.code {
            let _ = writeln!(out, "{code}\n\n    {{{{ .Token }}}}\n");
        }
        for text in self.after {
            let _ = writeln!(out, "{text}\n");
        }
        out.push_str("-- \n{{ .SiteURL }}\n");
        out
    }
}

fn paragraph(body: &mut String, style: &str, text: &str) {
    body.push_str(&format!("<p style=\"{style}\">{text}</p>\n"));
}
