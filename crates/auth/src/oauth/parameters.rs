//! Whose parameters of a sign-in are whose.

/// What protects a sign-in: said to the provider by us alone, whatever a client or a definition wants.
const PROTECTING: [&str; 8] = [
    "client_id",
    "client_secret",
    "redirect_uri",
    "response_type",
    "state",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
];

/// What a client says to us, and not to the provider.
const FOR_US: [&str; 4] = ["scopes", "provider", "invite_token", "apikey"];

/// Whether a client's parameter is passed on to the provider.
pub(super) fn is_passed_on(name: &str) -> bool {
    !is_protecting(name) && !FOR_US.contains(&name.to_ascii_lowercase().as_str())
}

/// Whether a definition may set the parameter for every sign-in. A nonce is of one alone.
pub(super) fn is_definable(name: &str) -> bool {
    !is_protecting(name) && !name.eq_ignore_ascii_case("nonce")
}

fn is_protecting(name: &str) -> bool {
    PROTECTING.contains(&name.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_they_are_spelled() {
        for name in ["state", "Client_ID", "CODE_VERIFIER"] {
            assert!(!is_passed_on(name) && !is_definable(name), "{name}");
        }
        assert!(!is_passed_on("ApiKey") && is_definable("scopes"));
        assert!(is_passed_on("nonce") && !is_definable("Nonce"));
        assert!(is_passed_on("prompt") && is_definable("prompt"));
    }
}
