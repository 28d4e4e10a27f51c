//! Why sessions end.

use std::fmt;

/// Why a session came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Its time was up.
    Time,
    /// It was not used for too long.
    Inactivity,
    /// A second factor was due.
    LowAal,
    /// A newer sign-in took its place.
    NewerLogin,
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Time => "",
            Self::Inactivity => " (Inactivity)",
            Self::LowAal => " (Low AAL: User Needs MFA Verification)",
            Self::NewerLogin => " (Revoked by Newer Login)",
        })
    }
}
