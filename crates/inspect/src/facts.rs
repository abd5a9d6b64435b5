//! From what was found to what rules see: the `mail` module's structure.

use crate::inspection::{Defect, Failure, Link};
use mail::{Envelope, Mailbox, Message, PartKind};
use rules::proto;
use unpack::{Artifact, HtmlFeatures, Unpacked};

/// Mailboxes of one field that file rules see.
const MAILBOXES_OF_FILE_RULES: usize = 50;

/// What the mail says of itself in short: all that file rules see beside their artifact. Every scan of an
/// artifact gets its own copy, and header fields would be most of it.
pub(crate) fn of_message(message: &Message<'_>, envelope: &Envelope) -> proto::Mail {
    let mut facts = proto::Mail::new();
    facts.from_all = message.from().into_iter().map(mailbox).collect();
    facts.reply_to_all = message.reply_to().into_iter().map(mailbox).collect();
    facts.from = facts.from_all.first().cloned().into();
    facts.reply_to = facts.reply_to_all.first().cloned().into();
    facts.sender = message.sender().into_iter().next().map(mailbox).into();
    facts.to = short_list(message.to());
    facts.cc = short_list(message.cc());
    facts.subject = message.subject();
    facts.message_id = message.message_id().unwrap_or_default();
    facts.date = message
        .date()
        .and_then(|date| timestamp(&date))
        .unwrap_or_default();
    facts.envelope = Some(self::envelope(envelope)).into();
    facts.size = size(message.raw.len());
    facts
}

/// Adds the header fields and all recipients, for raw and mail rules.
pub(crate) fn add_headers(facts: &mut proto::Mail, message: &Message<'_>) {
    facts.to = message.to().into_iter().map(mailbox).collect();
    facts.cc = message.cc().into_iter().map(mailbox).collect();
    for header in &message.headers {
        let value = header.text();
        facts
            .header
            .entry(header.name.clone())
            .or_insert_with(|| value.clone());
        facts.headers.push(proto::Header {
            name: header.name.clone(),
            value,
            ..Default::default()
        });
    }
}

fn short_list(mailboxes: Vec<Mailbox>) -> Vec<proto::Mailbox> {
    mailboxes
        .into_iter()
        .take(MAILBOXES_OF_FILE_RULES)
        .map(mailbox)
        .collect()
}

/// Adds what the inspection found, for mail rules.
pub(crate) fn add_findings(
    facts: &mut proto::Mail,
    message: &Message<'_>,
    unpacked: &Unpacked,
    links: &[Link],
    defects: &[Defect],
) {
    facts.body = Some(body(message, unpacked)).into();
    facts.links = links.iter().map(link).collect();
    facts.defects = defects.iter().map(defect).collect();
}

/// What rules see of an artifact.
pub(crate) fn part(artifact: &Artifact) -> proto::Part {
    let name = artifact.name.clone().unwrap_or_default();
    proto::Part {
        path: artifact.path.clone(),
        extension: extension(&name).to_lowercase(),
        name,
        names: artifact.names.clone(),
        declared_type: artifact.declared_type.clone().unwrap_or_default(),
        file_type: artifact.file_type.name().to_owned(),
        group: artifact.file_type.group().name().to_owned(),
        size: i64::try_from(artifact.size).unwrap_or(i64::MAX),
        sha256: artifact.sha256.clone(),
        depth: i64::from(artifact.depth),
        origin: artifact.origin.name().to_owned(),
        attachment: artifact.attachment,
        coverage: artifact.coverage.name().to_owned(),
        detail: artifact.detail.clone().unwrap_or_default(),
        encrypted: artifact.encrypted,
        html: artifact.html.as_deref().map(html).into(),
        ..Default::default()
    }
}

/// What rules see of a failure.
pub(crate) fn failure(failure: &Failure) -> proto::Failure {
    proto::Failure {
        check: failure.check.clone(),
        cause: failure.cause.clone(),
        ..Default::default()
    }
}

/// The last extension of a name, without its dot. White space and dots at the end are what Windows
/// drops when it opens the file.
pub(crate) fn extension(name: &str) -> &str {
    let name = name.trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    match name.rsplit_once('.') {
        Some((_, extension)) if !extension.contains(['/', '\\']) => extension,
        _ => "",
    }
}

fn mailbox(mailbox: Mailbox) -> proto::Mailbox {
    proto::Mailbox {
        display_name: mailbox.display_name.unwrap_or_default(),
        address: mailbox.address,
        local: mailbox.local,
        registrable: registrable(&mailbox.domain),
        domain: mailbox.domain,
        ..Default::default()
    }
}

fn envelope(envelope: &Envelope) -> proto::Envelope {
    let client = &envelope.client;
    let domain = envelope
        .mail_from
        .rsplit_once('@')
        .map_or("", |(_, domain)| domain);
    proto::Envelope {
        mail_from: envelope.mail_from.clone(),
        mail_from_domain: domain.to_lowercase(),
        rcpts: envelope.rcpts.clone(),
        client_ip: client.addr.map(|addr| addr.to_string()).unwrap_or_default(),
        client_name: client.name.as_deref().unwrap_or_default().to_lowercase(),
        helo: client.helo.clone().unwrap_or_default(),
        tls: client.tls.is_some(),
        authenticated: client.authenticated.is_some(),
        auth_user: client.authenticated.clone().unwrap_or_default(),
        ..Default::default()
    }
}

fn body(message: &Message<'_>, unpacked: &Unpacked) -> proto::Body {
    let has = |kind| {
        message
            .parts
            .iter()
            .any(|part| part.kind == kind && !part.is_attachment())
    };
    proto::Body {
        text_size: size(unpacked.text.len()),
        hidden_text: unpacked.hidden_text.clone(),
        has_html: has(PartKind::Html),
        has_text: has(PartKind::Text),
        invisible_chars: i64::from(unpacked.invisible_chars),
        html: Some(html(&unpacked.html)).into(),
        ..Default::default()
    }
}

fn html(html: &HtmlFeatures) -> proto::Html {
    proto::Html {
        forms: html.forms.into(),
        inputs: html.inputs.into(),
        password_fields: html.password_inputs.into(),
        scripts: html.scripts.into(),
        event_handlers: html.event_handlers.into(),
        smuggling_calls: html.smuggling_calls.into(),
        downloads: html.downloads.into(),
        frames: html.frames.into(),
        images: html.images.into(),
        tracking_pixels: html.tracking_pixels.into(),
        links: html.links.into(),
        hidden_elements: html.hidden_elements.into(),
        zero_font: html.zero_font.into(),
        conditional_comments: html.conditional_comments.into(),
        meta_refresh: html.meta_refresh.into(),
        data_urls: html.data_urls.into(),
        svg: html.svg.into(),
        empty_coloured_cells: html.empty_coloured_cells.into(),
        duplicate_attributes: html.duplicate_attributes.into(),
        base_href: html.base_href.clone().unwrap_or_default(),
        ..Default::default()
    }
}

fn link(link: &Link) -> proto::Link {
    proto::Link {
        url: link.url.clone(),
        host: link.host.clone(),
        registrable: link.registrable.clone(),
        path: link.path.clone(),
        text: link.text.clone(),
        context: link.context.clone(),
        artifact: link.artifact.clone(),
        flags: link.flags.clone(),
        ..Default::default()
    }
}

fn defect(defect: &Defect) -> proto::Defect {
    proto::Defect {
        code: defect.code.clone(),
        path: defect.path.clone(),
        detail: defect.detail.clone(),
        ..Default::default()
    }
}

fn registrable(domain: &str) -> String {
    links::registrable(domain)
        .and_then(|found| found.domain)
        .unwrap_or_default()
}

/// Seconds since 1970-01-01 UTC.
fn timestamp(date: &str) -> Option<i64> {
    date.parse::<jiff::Timestamp>()
        .ok()
        .map(jiff::Timestamp::as_second)
}

fn size(octets: usize) -> i64 {
    i64::try_from(octets).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_is_what_the_desktop_acts_on() {
        for (name, expected) in [
            ("invoice.pdf.exe", "exe"),
            ("invoice.exe. . ", "exe"),
            ("README", ""),
            ("a.b/c", ""),
            ("", ""),
            ("...", ""),
        ] {
            assert_eq!(extension(name), expected, "{name:?}");
        }
    }
}
