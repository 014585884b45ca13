//! How records end: what stands in one from `eventType` on mostly stood there before, word for word, in another call of the same
//! service. Then it need not be found in it again.

use std::borrow::Cow;

use super::latest::{Latest, mixed};
use crate::cloudtrail::record::{Lax, Nested, Record, TlsDetails};

/// Endings of records of a text, those of latest, by event source, account and TLS.
#[derive(Default)]
pub(super) struct Endings<'t>(Latest<Ending<'t>, 64>);

/// The end of a record.
struct Ending<'t> {
    /// From the value of `eventType` to the brace after the last member.
    text: &'t str,
    /// What [`slots`] have.
    values: [Option<&'t str>; SLOTS],
    /// The `tlsVersion` of `tlsDetails`.
    tls: Option<Option<&'t str>>,
}

/// How many texts and flags an ending may have.
const SLOTS: usize = 7;

/// The texts and flags of an ending, and its `tlsDetails`.
fn slots<'r, 't>(record: &'r mut Record<'t>) -> ([&'r mut Lax<'t>; SLOTS], &'r mut Nested<TlsDetails<'t>>) {
    let texts = [
        &mut record.event_type,
        &mut record.management_event,
        &mut record.recipient_account_id,
        &mut record.vpc_endpoint_id,
        &mut record.vpc_endpoint_account_id,
        &mut record.event_category,
        &mut record.session_credential_from_console,
    ];
    (texts, &mut record.tls_details)
}

impl<'t> Endings<'t> {
    /// Whether a record has nothing yet of what an ending may have.
    pub(super) fn may_follow(record: &mut Record<'t>) -> bool {
        let (texts, tls) = slots(record);
        texts.iter().all(|slot| slot.0.is_none()) && tls.0.is_none()
    }

    /// Ends a record as another one that ended with the same text, if there is one: its length without the brace.
    #[inline]
    pub(super) fn end(&self, record: &mut Record<'t>, text: &str) -> Option<usize> {
        let known = self.0.get(kind(record, text)?)?;
        let is_same = text.as_bytes().starts_with(known.text.as_bytes()) && Self::may_follow(record);
        let length = known.text.len().checked_sub(1).filter(|_| is_same)?;
        let (texts, tls) = slots(record);
        texts.into_iter().zip(known.values).for_each(|(slot, value)| slot.0 = value.map(Cow::Borrowed));
        tls.0 = known.tls.map(|version| TlsDetails { tls_version: Lax(version.map(Cow::Borrowed)) });
        Some(length)
    }

    /// Adds how a record ended that had nothing of it before, with the beginning of a text, in place of an ending that is looked up
    /// alike.
    pub(super) fn add(&mut self, record: &mut Record<'t>, rest: &'t str, length: usize) {
        let (Some(kind), Some(text)) = (kind(record, rest), rest.get(..length)) else { return };
        let (texts, tls) = slots(record);
        let texts = texts.map(|slot| borrowed(slot));
        let tls = tls.0.as_ref().map(|tls| borrowed(&tls.tls_version));
        // Texts that are not as they stand there are rare.
        if texts.contains(&Err(())) || tls == Some(Err(())) {
            return;
        }
        self.0.put(kind, Ending { text, values: texts.map(|text| text.ok().flatten()), tls: tls.map(|version| version.ok().flatten()) });
    }
}

fn borrowed<'t>(slot: &Lax<'t>) -> Result<Option<&'t str>, ()> {
    match slot.0 {
        None => Ok(None),
        Some(Cow::Borrowed(text)) => Ok(Some(text)),
        Some(Cow::Owned(_)) => Err(()),
    }
}

/// A number of what most endings differ in.
#[inline]
fn kind(record: &Record<'_>, text: &str) -> Option<u64> {
    // Services of one family begin alike.
    let source = record.event_source.get().map(str::as_bytes).unwrap_or_default();
    let source = source.first_chunk().map_or(0, |begin| u64::from_le_bytes(*begin)).wrapping_add(source.len() as u64);
    // Of the usual endings, there stand the account of the recipient, what follows the category, and the version of TLS if it does.
    let (text, account, details) = (text.as_bytes(), 56..72, 100..140);
    Some(mixed(mixed(source, text.get(account)?), text.get(details)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ending, and where it ends in the text that is left.
    fn ending(account: u64, tls: &str) -> (String, usize) {
        let text = format!(
            r#""AwsApiCall","managementEvent":true,"recipientAccountId":"{account:012}","eventCategory":"Management","tlsDetails":{{"tlsVersion":"{tls}"}}}}"#
        );
        (format!(r#"{text},{{"eventVersion":"1.11","userIdentity":{{"type":"AssumedRole"}}}}]}}"#), text.len())
    }

    #[test]
    fn only_what_stood_there_word_for_word_is_known() {
        let (first, length) = ending(111_122_223_333, "TLSv1.3");
        let (other, _) = ending(111_122_223_333, "TLSv1.2");
        let source = |name: &str| Record { event_source: Lax(Some(format!("{name}.amazonaws.com").into())), ..Record::default() };
        let kms = || source("kms");
        let mut endings = Endings::default();
        assert_eq!(endings.end(&mut kms(), &first), None);
        let mut record = kms();
        record.event_type.0 = Some("AwsApiCall".into());
        record.tls_details.0 = Some(TlsDetails { tls_version: Lax(Some("TLSv1.3".into())) });
        endings.add(&mut record, &first, length);
        let mut next = kms();
        assert_eq!(endings.end(&mut next, &first), Some(length - 1));
        assert_eq!(format!("{next:?}"), format!("{record:?}"));
        // One that goes on, another text, another service, a record that has something of it already, nothing.
        assert_eq!(endings.end(&mut kms(), &first.replacen("}}", "},\"a\":1}", 1)), None);
        assert_eq!(endings.end(&mut kms(), &other), None);
        assert_eq!(endings.end(&mut source("kms-fips"), &first), None);
        assert_eq!(endings.end(&mut Record { event_category: Lax(Some("Data".into())), ..kms() }, &first), None);
        assert_eq!(endings.end(&mut Record::default(), ""), None);
        // What would have to be kept apart from the text is not kept.
        let owned = Lax(Some(Cow::Owned("Aws ApiCall".to_owned())));
        endings.add(&mut Record { event_type: owned, ..kms() }, &other, length);
        assert_eq!(endings.end(&mut kms(), &other), None);
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let texts: Vec<(String, usize)> = (0..5_000).map(|account| ending(account, "TLSv1.3")).collect();
        let mut endings = Endings::default();
        for (text, length) in &texts {
            endings.add(&mut Record::default(), text, *length);
            assert_eq!(endings.end(&mut Record::default(), text), Some(length - 1));
        }
        assert!(endings.0.len() > 48 && endings.0.len() <= 64, "{}", endings.0.len());
    }
}
