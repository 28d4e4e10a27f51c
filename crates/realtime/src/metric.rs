//! What is counted, as Prometheus reads it: under upstream's names where there are any, so that dashboards go on.
//!
//! Counting is adding to an atomic; nothing is computed before somebody asks.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::service::Service;

/// Upstream has one set of figures for each tenant; there is one here, under the name that its own
/// self-hosted stack gives it.
const TENANT: &str = r#"tenant="realtime-dev""#;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of the sizes of payloads, in bytes.
const SIZES: [u64; 11] =
    [250, 500, 1_000, 3_000, 5_000, 10_000, 25_000, 100_000, 500_000, 1_000_000, 3_000_000];

/// How large payloads are.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    /// Those above the bound before and up to this one; the last are above all.
    buckets: [AtomicU64; SIZES.len() + 1],
    sum: Counter,
}

impl Sizes {
    pub(crate) fn add(&self, size: usize) {
        let size = size as u64;
        let index = SIZES.iter().position(|bound| size <= *bound).unwrap_or(SIZES.len());
        if let Some(bucket) = self.buckets.get(index) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.add(size);
    }
}

/// What is counted besides what the limits count.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Bytes that clients sent, as messages.
    pub(crate) input: Counter,
    /// Bytes handed to the connections of clients.
    pub(crate) output: Counter,
    /// Sockets that were closed because their clients did not keep up.
    pub(crate) overrun: Counter,
    /// Broadcasts of clients and of HTTP.
    pub(crate) broadcasts: Sizes,
    /// What is said of oneself.
    pub(crate) presences: Sizes,
    errors: Mutex<BTreeMap<&'static str, u64>>,
    /// Row changes that were not told to somebody who subscribed, by why.
    skipped: Mutex<BTreeMap<&'static str, u64>>,
}

impl Metrics {
    /// Counts something that went wrong, by upstream's name of it.
    pub(crate) fn error(&self, code: &'static str) {
        *self.errors.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
    }

    /// Counts changes that could not be judged and so were not told.
    pub(crate) fn skip(&self, reason: &'static str, number: usize) {
        let mut skipped = self.skipped.lock().unwrap_or_else(PoisonError::into_inner);
        *skipped.entry(reason).or_default() += number as u64;
    }
}

/// All figures as text.
pub(crate) fn text(service: &Service) -> String {
    let (metrics, counters) = (&service.metrics, &service.counters);
    let mut out = Text::default();
    let sockets = counters.sockets();
    for (scope, labels) in [("", TENANT), ("global_", "")] {
        let name = format!("realtime_connections_{scope}connected");
        out.gauge(&name, "Sockets that are open.", labels, sockets);
        out.gauge(&format!("{name}_cluster"), "Sockets of all servers.", labels, counters.all_sockets());
    }
    out.gauge("realtime_tenants_connected", "Tenants with sockets.", "", usize::from(sockets > 0));
    for (name, help, rate) in [
        ("joins", "Joins of channels.", &counters.joins),
        ("events", "Messages sent and delivered.", &counters.events),
        ("presence_events", "Presence messages sent and delivered.", &counters.presence),
    ] {
        out.counter(&format!("realtime_channel_{name}"), help, TENANT, rate.total());
        out.counter(&format!("realtime_channel_global_{name}"), help, "", rate.total());
    }
    out.counter("realtime_channel_input_bytes", "Bytes of messages of clients.", TENANT, metrics.input.get());
    out.counter("realtime_channel_output_bytes", "Bytes sent to clients.", TENANT, metrics.output.get());
    out.head("realtime_channel_error", "Errors by their code.", "counter");
    for (code, number) in &*metrics.errors.lock().unwrap_or_else(PoisonError::into_inner) {
        out.line("realtime_channel_error", &format!(r#"code="{code}",{TENANT}"#), number);
    }
    let name = "realtime_replication_poller_changes_skip";
    out.head(name, "Row changes withheld from somebody because they could not be judged.", "counter");
    for (reason, number) in &*metrics.skipped.lock().unwrap_or_else(PoisonError::into_inner) {
        out.line(name, &format!(r#"reason="{reason}",{TENANT}"#), number);
    }
    let kinds = [("broadcast", &metrics.broadcasts), ("presence", &metrics.presences)];
    for (name, tenant) in [("realtime_payload_size", ""), ("realtime_tenants_payload_size", TENANT)] {
        out.head(name, "Bytes of payloads that clients sent.", "histogram");
        for (kind, sizes) in kinds {
            out.histogram(name, &[&format!(r#"message_type="{kind}""#), tenant], sizes);
        }
    }
    out.gauge("basalt_realtime_topics", "Topics with somebody on them.", "", service.hub.topics());
    out.gauge("basalt_realtime_instances", "Servers of this database.", "", 1 + service.hub.relay.others());
    let lost = service.hub.relay.lost();
    out.counter("basalt_realtime_relay_lost", "Messages for other servers that were given up.", "", lost);
    let overrun = metrics.overrun.get();
    out.counter("basalt_realtime_sockets_overrun", "Sockets whose clients did not keep up.", "", overrun);
    let stands = usize::from(service.feed.stands().borrow().is_some());
    out.gauge("basalt_realtime_stream_stands", "1 while changes are streamed.", "", stands);
    let is_ours = usize::from(service.follow.slot().is_some());
    out.gauge("basalt_realtime_stream_held", "1 while this server reads the stream.", "", is_ours);
    let begun = service.follow.begun();
    out.counter("basalt_realtime_stream_begun", "How often it began to read it.", "", begun);
    let lag = service.follow.lag.load(Ordering::Relaxed);
    out.gauge("basalt_realtime_slot_lag_bytes", "Log that Postgres keeps for the stream.", "", lag);
    let (now, config) = (service.now(), service.config());
    let mut limits = vec![
        ("sockets", config.max_sockets as u64, counters.all_sockets()),
        ("joins_per_second", config.max_joins_per_second, counters.joins_per_second(now)),
        ("events_per_second", config.max_events_per_second, counters.events_per_second(now)),
        (
            "presence_events_per_second",
            config.max_presence_events_per_second,
            counters.presence_per_second(now),
        ),
    ];
    let bound = service.follow.bound.load(Ordering::Relaxed);
    if bound > 0 {
        limits.push(("slot_lag_bytes", bound, lag));
    }
    // Those that a single socket, channel or message has.
    let single = [
        ("channels_per_socket", config.max_channels_per_socket as u64),
        ("presence_calls_per_channel", config.max_presence_calls.into()),
        ("bytes_of_a_payload", config.max_payload.0),
        ("bytes_of_a_frame", config.max_frame.0),
        ("bytes_of_a_change", config.max_change.0),
        ("messages_that_wait", config.queue_messages as u64),
        ("bytes_that_wait", config.queue_bytes.0),
    ];
    for (name, most) in limits.iter().map(|&(name, most, _)| (name, most)).chain(single) {
        out.gauge("basalt_realtime_limit", "What is allowed.", &format!(r#"limit="{name}""#), most);
    }
    for &(name, _, used) in &limits {
        out.gauge("basalt_realtime_used", "How much of it is used.", &format!(r#"limit="{name}""#), used);
    }
    out.0
}

/// Text that grows.
#[derive(Default)]
struct Text(String);

impl Text {
    fn gauge(&mut self, name: &str, help: &str, labels: &str, value: impl Display) {
        self.head(name, help, "gauge");
        self.line(name, labels, value);
    }

    fn counter(&mut self, name: &str, help: &str, labels: &str, value: impl Display) {
        self.head(name, help, "counter");
        self.line(name, labels, value);
    }

    /// Once for each name.
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let head = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        if !self.0.contains(&format!("# TYPE {name} ")) {
            self.0.push_str(&head);
        }
    }

    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn histogram(&mut self, name: &str, labels: &[&str], sizes: &Sizes) {
        let labels: Vec<_> = labels.iter().copied().filter(|label| !label.is_empty()).collect();
        let labels = labels.join(",");
        let mut number = 0;
        let bounds = SIZES.iter().map(u64::to_string).chain(["+Inf".to_owned()]);
        for (bucket, bound) in sizes.buckets.iter().zip(bounds) {
            number += bucket.load(Ordering::Relaxed);
            self.line(&format!("{name}_bucket"), &format!(r#"{labels},le="{bound}""#), number);
        }
        self.line(&format!("{name}_sum"), &labels, sizes.sum.get());
        self.line(&format!("{name}_count"), &labels, number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_counted_up_to_their_bounds() {
        let sizes = Sizes::default();
        [250, 251, 4_000_000].into_iter().for_each(|size| sizes.add(size));
        let mut out = Text::default();
        out.histogram("h", &["a=\"b\"", ""], &sizes);
        let lines: Vec<_> = out.0.lines().collect();
        assert_eq!(lines[0], r#"h_bucket{a="b",le="250"} 1"#);
        assert_eq!(lines[1], r#"h_bucket{a="b",le="500"} 2"#);
        assert_eq!(lines[SIZES.len()], r#"h_bucket{a="b",le="+Inf"} 3"#);
        assert_eq!(lines[SIZES.len() + 1..], [r#"h_sum{a="b"} 4000501"#, r#"h_count{a="b"} 3"#]);
    }
}
