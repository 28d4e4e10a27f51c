//! What a person reads when the server is ready.
//!
//! The keys are shown on a terminal only: what is not a terminal is a log, and a log must not hold
//! the key that opens everything. `basalt status` shows them at any time.

use std::io::{IsTerminal, Write};

use crate::boot::ServePlan;
use crate::installation::{Installation, Place};

/// Prints where the server is and how to reach it.
pub(crate) fn print(plan: &ServePlan, installation: &Installation) {
    let mut out = std::io::stdout().lock();
    let text = text(plan, installation, out.is_terminal());
    // A reader that went away is no reason to stop serving.
    let _ = writeln!(out, "{text}");
}

fn text(plan: &ServePlan, installation: &Installation, keys: bool) -> String {
    let Some(secrets) = &plan.secrets else {
        return format!("Basalt serves the data API at {}", installation.api_url);
    };
    let data_dir = plan.data_dir.display();
    let mut lines = vec![("API URL", installation.api_url.clone())];
    if keys {
        lines.push(("Publishable key", secrets.publishable_key.expose().to_owned()));
        lines.push(("Secret key", secrets.secret_key.expose().to_owned()));
        lines.push(("anon key", secrets.anon_key.expose().to_owned()));
        lines.push(("service_role key", secrets.service_role_key.expose().to_owned()));
        lines.push(("Database URL", installation.database.url(&secrets.passwords.postgres)));
    } else if let Place::Own { listen: Some(address), .. } = &installation.database {
        lines.push(("Database", address.to_string()));
    }
    lines.push(("Data", data_dir.to_string()));
    let lines = lines.iter().map(|(name, value)| format!("  {name:<16}  {value}\n"));
    let hint = if keys { "" } else { "\n  Keys: basalt status --data-dir " };
    let place = if keys { String::new() } else { data_dir.to_string() };
    format!("\nBasalt is ready.\n\n{}{hint}{place}", lines.collect::<String>())
}
