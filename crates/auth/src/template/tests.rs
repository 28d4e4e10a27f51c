#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn data() -> Value {
    json!({
        "ConfirmationURL": "https://api.test/auth/v1/verify?token=abc&type=signup&redirect_to=https://app.test/x",
        "SiteURL": "https://app.test",
        "RedirectTo": "https://app.test/welcome?a=b&c=d",
        "Token": "123456",
        "TokenHash": "pkce_abc",
        "Email": "jane@example.com",
        "Data": { "name": "Jane <b>O'Neil</b> & co", "age": 42, "half": 0.5, "langs": ["de", "en"], "admin": true,
                  "nested": { "deep": "x" }, "empty": "", "evil": "javascript:alert(1)", "quote": "\" onload=\"x" },
    })
}

#[track_caller]
fn text(template: &str, expected: &str) {
    let template = Template::parse(template, Format::Text).unwrap();
    assert_eq!(template.render(&data()).unwrap(), expected);
}

#[track_caller]
fn html(template: &str, expected: &str) {
    let template = Template::parse(template, Format::Html).unwrap();
    assert_eq!(template.render(&data()).unwrap(), expected);
}

#[track_caller]
fn refused(template: &str, line: usize, words: &str) {
    let error = Template::parse(template, Format::Html).unwrap_err();
    assert!(error.line == line && error.text.contains(words), "{template}: {error}");
}

#[test]
fn fields_and_texts() {
    text("plain", "plain");
    text(
        "{{ .Email }}|{{.Token}}|{{.Data.nested.deep}}|{{ .Data.name }}",
        "jane@example.com|123456|x|Jane <b>O'Neil</b> & co",
    );
    text("{{ .Missing }}{{ .Missing.Deeper }}{{ .Data.nope }}{{ .Email.x }}", "");
    text(
        r#"{{ "a\"b\n\u00e9" }}{{ `raw\n` }}{{ 'a' }}{{ 1.50 }}{{ -3 }}{{ 0x10 }}{{ true }}"#,
        "a\"b\né raw\\n971.5-316true".replace("é ", "é").as_str(),
    );
    text(
        "{{ .Data.langs }} {{ .Data.nested }} {{ .Data.half }} {{ .Data.age }}",
        "[de en] map[deep:x] 0.5 42",
    );
    text("a }} b { { c", "a }} b { { c");
}

#[test]
fn branches() {
    text("{{ if .Data.name }}yes{{ else }}no{{ end }}", "yes");
    text("{{ if .Data.nope }}yes{{ else }}no{{ end }}", "no");
    text("{{ if .Data.empty }}1{{ else if .Data.admin }}2{{ else }}3{{ end }}", "2");
    text("{{ if .A }}1{{ else if .B }}2{{ else if .C }}3{{ else }}4{{ end }}!", "4!");
    text("{{ with .Data.nested }}{{ .deep }}{{ $.Email }}{{ else }}none{{ end }}", "xjane@example.com");
    text("{{ with .Nope }}1{{ else with .Email }}{{ . }}{{ else }}3{{ end }}", "jane@example.com");
    text("{{ with $x := .Email }}{{ $x }}{{ end }}", "jane@example.com");
}

#[test]
fn loops() {
    text("{{ range .Data.langs }}<{{ . }}>{{ end }}", "<de><en>");
    text("{{ range $i, $l := .Data.langs }}{{ if $i }}, {{ end }}{{ $i }}={{ $l }}{{ end }}", "0=de, 1=en");
    text("{{ range $l := .Data.langs }}{{ $l }}{{ end }}", "deen");
    text("{{ range $k, $v := .Data.nested }}{{ $k }}:{{ $v }}{{ end }}", "deep:x");
    text("{{ range .Nope }}x{{ else }}none{{ end }}", "none");
    text(
        "{{ range 5 }}{{ if eq . 1 }}{{ continue }}{{ end }}{{ if eq . 3 }}{{ break }}{{ end }}{{ . }}{{ end }}",
        "02",
    );
}

#[test]
fn variables_pipelines_functions() {
    text("{{ $n := .Data.name }}{{ $n = .Email }}{{ $n }}", "jane@example.com");
    text(
        "{{ $n := 1 }}{{ if true }}{{ $n = 2 }}{{ end }}{{ $n }}{{ if true }}{{ $n := 3 }}{{ end }}{{ $n }}",
        "22",
    );
    text(
        r#"{{ if and .Email (eq .Data.age 42) }}a{{ end }}{{ if or .Nope .Token }}b{{ end }}{{ not .Nope }}"#,
        "abtrue",
    );
    text(r#"{{ if eq .Data.nope "de" "fr" }}a{{ else }}b{{ end }}{{ eq "x" "y" "x" }}"#, "btrue");
    text(r#"{{ ne 1 2 }}{{ lt 1 1.5 }}{{ le 2 2 }}{{ gt "b" "a" }}{{ ge 1 2 }}"#, "truetruetruetruefalse");
    text(r#"{{ or .Data.nope "friend" }}{{ and .Email .Nope }}"#, "friend");
    text(r#"{{ .Token | printf "%s-%s" "code" | len }}"#, "11");
    text(
        r#"{{ printf "%s is %d, %5.1f%% %q %v %-4s| %04d %t %x" "a" 42 0.55 "b" .Data.langs "c" -7 true "hi" }}"#,
        "a is 42,   0.6% \"b\" [de en] c   | -007 true 6869",
    );
    text(r#"{{ printf "%d %s" "x" }}"#, "%!d(string=x) %!s(MISSING)");
    text(
        r#"{{ index .Data "name" | len }} {{ index .Data.langs 1 }} {{ index .Data.langs 7 }}{{ index .Data "nested" "deep" }}"#,
        "23 en x",
    );
    text(r#"{{ slice .Token 0 3 }} {{ slice .Token 3 }} {{ slice .Token 9 }}"#, "123 456 ");
    text(
        r#"{{ urlquery .RedirectTo }} {{ html "<a>" }} {{ print 1 2 "x" }} {{ (index .Data "nested").deep }}"#,
        "https%3A%2F%2Fapp.test%2Fwelcome%3Fa%3Db%26c%3Dd &lt;a&gt; 1 2x x",
    );
    text("{{ 1e30 }} {{ 1.0 }} {{ 0.00001 }}", "1e+30 1 1e-05");
}

#[test]
fn space_and_comments() {
    text("a  {{- .Token -}}  b", "a123456b");
    text("a {{- /* gone */ -}} b{{/* gone\n too */}}c", "abc");
    text("a\n{{- if true }}\nb\n{{- end }}\nc", "a\nb\nc");
    text("{{ -3 }}{{- 3 }}", "-33");
    html("<!--[if mso]>{{ .Token }}<![endif]-->x", "<!--[if mso]>123456<![endif]-->x");
}

#[test]
fn named_templates() {
    text(
        r#"{{ define "x" }}<{{ . }}{{ $ }}>{{ end }}{{ template "x" .Token }}{{ template "x" }}"#,
        "<123456123456><>",
    );
    text(r#"{{ block "greeting" .Data }}{{ .age }}{{ end }}"#, "42");
    refused(r#"{{ template "nope" }}"#, 1, "not defined");
}

#[test]
fn values_cannot_leave_their_place() {
    html("<p>{{ .Data.name }}</p>", "<p>Jane &lt;b&gt;O&#39;Neil&lt;/b&gt; &amp; co</p>");
    html(r#"<a title="{{ .Data.quote }}">"#, r#"<a title="&#34; onload=&#34;x">"#);
    html("<a title={{ .Data.quote }}>", "<a title=&#34;&#32;onload&#61;&#34;x>");
    html("<a {{ .Data.quote }}>", "<a onloadx>");
    html(r#"<a href="{{ .Data.evil }}">"#, r##"<a href="#ZgotmplZ">"##);
    html(r#"<a href=" {{ .Data.evil }}">"#, r##"<a href=" #ZgotmplZ">"##);
    html(r#"<A HREF = '{{ .Data.evil }}'>"#, "<A HREF = '#ZgotmplZ'>");
    html(r#"<a onclick="go({{ .Data.quote }})">"#, r#"<a onclick="go(&#34;\&#34; onload=\&#34;x&#34;)">"#);
    html(
        "<script>var x = {{ .Data.name }};</script><i>{{ .Data.name }}",
        concat!(
            r#"<script>var x = "Jane \u003cb\u003eO'Neil\u003c/b\u003e \u0026 co";</script><i>"#,
            "Jane &lt;b&gt;O&#39;Neil&lt;/b&gt; &amp; co"
        ),
    );
    html(r#"<p style="color:{{ .Data.evil }}">"#, r#"<p style="color:ZgotmplZ">"#);
    html(r#"<p style="color:{{ "\u0023ff0000" }}">"#, r#"<p style="color:#ff0000">"#);
    html("<!-- {{ \"-->\" }} -->", "<!-- &#45;&#45;&gt; -->");
}

#[test]
fn addresses() {
    html(
        r#"<a href="{{ .ConfirmationURL }}">x</a>"#,
        r#"<a href="https://api.test/auth/v1/verify?token=abc&amp;type=signup&amp;redirect_to=https://app.test/x">x</a>"#,
    );
    html(
        r#"<a href="{{ .SiteURL }}/confirm?token_hash={{ .TokenHash }}&type=email&next={{ .RedirectTo }}">x</a>"#,
        r#"<a href="https://app.test/confirm?token_hash=pkce_abc&type=email&next=https%3A%2F%2Fapp.test%2Fwelcome%3Fa%3Db%26c%3Dd">x</a>"#,
    );
    html(
        r#"<a href="{{ if .Nope }}{{ .Nope }}{{ else }}{{ .SiteURL }}{{ end }}/{{ .Data.langs }}">"#,
        r#"<a href="https://app.test/[de%20en]">"#,
    );
    html(r#"<a href="{{ "myapp://login" }}">{{ .SiteURL }}"#, r#"<a href="myapp://login">https://app.test"#);
    html(r#"<img src="{{ "data:text/html,x" }}">"#, r##"<img src="#ZgotmplZ">"##);
}

#[test]
fn mistakes_name_their_line() {
    refused("a\nb {{ .Email", 2, "}}");
    refused("{{ if .A }}\nx", 1, "`if` without `end`");
    refused("x\n{{ end }}", 2, "without a beginning");
    refused("{{ nope .A }}", 1, "no function `nope`");
    refused("\n\n{{ .A | default \"x\" }}", 3, "no function `default`");
    refused("{{ $x }}", 1, "not declared");
    refused("{{ $x = 1 }}", 1, "not declared");
    refused("{{ (.A }}", 1, "without a `)`");
    refused("{{ .A) }}", 1, "without a `(`");
    refused("{{ .A .B }}", 1, "no function");
    refused("{{ }}", 1, "without a value");
    refused("{{ .A | }}", 1, "without a value");
    refused("{{ not }}", 1, "number of arguments");
    refused("{{ \"x }}", 1, "does not end");
    refused("{{ break }}", 1, "outside");
    refused("{{ if .A }}{{ else }}{{ else }}{{ end }}", 1, "second");
    refused("{{ ConfirmationURL }}", 1, "no function `ConfirmationURL`");
    refused("{{ .Data..x }}", 1, "followed by a name");
    refused("{{ ; }}", 1, "not understood");
}

#[test]
fn what_does_not_end_is_ended() {
    let render = |template: &str| Template::parse(template, Format::Text).unwrap().render(&data());
    assert_eq!(
        render(r#"{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}"#),
        Err(RenderError::Endless)
    );
    assert_eq!(render("{{ range 1000 }}{{ range 1000 }}{{ end }}{{ end }}"), Err(RenderError::Endless));
    let doubling = "{{ $x := \"xxxxxxxxxxxxxxxx\" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}";
    assert_eq!(render(doubling), Err(RenderError::TooLong));
    assert_eq!(render("{{ range 30000 }}{{ printf \"%900s\" .x }}{{ end }}"), Err(RenderError::TooLong));
    let deep = "{{ if true }}".repeat(5000);
    assert!(Template::parse(&deep, Format::Text).is_err());
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000));
    assert!(Template::parse(&deep, Format::Text).is_err());
    let chained = format!("{{{{ if .A }}}}{}{{{{ end }}}}", "{{ else if .B }}".repeat(5000));
    assert!(Template::parse(&chained, Format::Text).is_err());
}

/// Pieces of templates, right and wrong.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{{ if .Data.admin }}".to_owned()),
        Just("{{ else }}".to_owned()),
        Just("{{ else if eq .Token \"1\" }}".to_owned()),
        Just("{{ end }}".to_owned()),
        Just("{{ range $i, $x := .Data.langs }}".to_owned()),
        Just("{{ with .Data.name }}".to_owned()),
        Just("{{- $y := printf \"%s\" .Email -}}".to_owned()),
        Just("{{ $y | html | len }}".to_owned()),
        Just("{{ index .Data.langs 1 | urlquery }}".to_owned()),
        Just("{{ slice .Token 1 99 }}".to_owned()),
        Just("{{ define \"t\" }}".to_owned()),
        Just("{{ template \"t\" . }}".to_owned()),
        Just("<a href=\"".to_owned()),
        Just("\" style='".to_owned()),
        Just("'>".to_owned()),
        Just("<script>".to_owned()),
        Just("{{ . }}".to_owned()),
        "[ -~\u{e4}\u{1f600}]{0,12}",
        "\\{\\{[ -~]{0,16}\\}\\}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_panics_and_all_is_bounded(template in pieces(), html in any::<bool>()) {
        let format = if html { Format::Html } else { Format::Text };
        if let Ok(template) = Template::parse(&template, format)
            && let Ok(out) = template.render(&data())
        {
            prop_assert!(out.len() <= eval::MAX_OUTPUT);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(template in "\\PC{0,200}") {
        let _ = Template::parse(&template, Format::Html).map(|template| template.render(&data()));
    }

    /// Whatever somebody writes into the metadata: no tag and no attribute comes of it.
    #[test]
    fn no_value_becomes_markup(value in "\\PC{0,40}") {
        let page = "<p title=\"{{ .v }}\">{{ .v }}</p><a href=\"{{ .v }}\">x</a><a href='/x?y={{ .v }}'>y</a>";
        let out = Template::parse(page, Format::Html).unwrap().render(&json!({ "v": value })).unwrap();
        prop_assert_eq!(out.matches('<').count(), 6);
        prop_assert_eq!(out.matches('>').count(), 6);
        prop_assert_eq!(out.matches('"').count(), 4);
        prop_assert_eq!(out.matches('\'').count(), 2);
        let address = out.split("href=\"").nth(1).unwrap().trim_start().to_lowercase();
        prop_assert!(!address.starts_with("javascript:") && !address.starts_with("data:"));
    }

    #[test]
    fn plain_values_are_printed_as_they_are(value in "\\PC{0,40}") {
        let out = Template::parse("{{ .v }}", Format::Text).unwrap().render(&json!({ "v": value })).unwrap();
        prop_assert_eq!(out, value);
    }
}
