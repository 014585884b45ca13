//! Who made a call: the IAM identity, its session, what the record says of how it was authenticated.

use std::borrow::Cow;

use crate::catalog;
use crate::cloudtrail::columns::written_as_number;
use crate::cloudtrail::{Identity, event_time};
use crate::frame::{EventRow, Flag, Text};
use crate::iam::arn::{self, Arn};

/// Who made the call.
pub(super) fn principal<'a>(row: &mut EventRow<'a>, identity: &'a Identity<'a>) {
    let context = identity.session_context.0.as_ref();
    let issuer = context.and_then(|context| context.session_issuer.0.as_ref());
    let attributes = context.and_then(|context| context.attributes.0.as_ref());
    let kind = identity.identity_type.get();
    let own_arn = identity.arn.get();
    let is_session = kind == Some("AssumedRole");
    let issuer_id = issuer.and_then(|issuer| issuer.principal_id.get());
    // The ids of AWS's own, as `715248393954:aws:ec2-infrastructure`, have colons themselves.
    let parts = |id: &'a str| {
        let of_issuer = issuer_id.and_then(|issuer| Some((id.get(..issuer.len())?, id.strip_prefix(issuer)?.strip_prefix(':')?)));
        of_issuer.or_else(|| id.split_once(':'))
    };
    let (id, session_of_id) = match identity.principal_id().map(|id| (id, Some(id).filter(|_| is_session).and_then(parts))) {
        Some((_, Some((id, session)))) => (Some(id), Some(session)),
        Some((id, None)) => (Some(id), None),
        None => (None, None),
    };
    let issuer_arn = issuer.and_then(|issuer| issuer.arn.get());
    let (principal_arn, principal_id) = match kind {
        Some("AssumedRole") => (issuer_arn.map(Cow::Borrowed).or_else(|| own_arn.and_then(role_of_session).map(Cow::Owned)), id),
        Some("FederatedUser") => (issuer_arn.map(Cow::Borrowed), issuer_id),
        Some("Root") => (own_arn.map(Cow::Borrowed).or_else(|| root(row, identity).map(Cow::Owned)), id),
        _ => (own_arn.map(|arn| role_of_session(arn).map_or(Cow::Borrowed(arn), Cow::Owned)), id),
    };
    let account = identity.account_id.get().and_then(account).map(Cow::Borrowed);
    let account = account.or_else(|| principal_arn.as_deref().and_then(Arn::parse).map(|arn| Cow::Owned(arn.account.to_owned())));
    let session_name = match kind {
        Some("AssumedRole") => session_of_id.or_else(|| own_arn.and_then(session_of)),
        Some("FederatedUser") => own_arn.and_then(|arn| arn.rsplit_once('/')).map(|(_, name)| name),
        _ => None,
    };
    row.set(Text::PrincipalArn, principal_arn);
    row.set(Text::PrincipalId, principal_id);
    row.set(Text::PrincipalAccountId, account.filter(|account| !account.is_empty()));
    row.set(Text::SessionName, session_name);
    row.set(Text::IdentityType, kind);
    row.set(Text::SessionIssuerArn, issuer_arn);
    row.set(Text::AccessKeyId, identity.access_key_id());
    row.set(Text::InvokedBy, identity.invoked_by.get());
    row.set(Text::SourceIdentity, context.and_then(|context| context.source_identity.get()));
    row.set(
        Text::FederatedProvider,
        context.and_then(|context| context.web_id_federation_data.0.as_ref()).and_then(|data| data.federated_provider.get()),
    );
    row.flag(Flag::AssumedRoot, context.and_then(|context| context.assumed_root.boolean()));
    row.flag(Flag::Mfa, attributes.and_then(|attributes| attributes.mfa_authenticated.boolean()));
    row.session_created = attributes.and_then(|attributes| attributes.creation_date.get()).and_then(event_time);
}

/// The ARN of the root user, where the record has only the account.
fn root(row: &EventRow<'_>, identity: &Identity<'_>) -> Option<String> {
    let account = identity.account_id.get().filter(|account| arn::is_account_id(account))?;
    Some(format!("arn:{}:iam::{account}:root", catalog::partition(row.get(Text::Region).unwrap_or_default())))
}

/// `arn:aws:iam::ACCOUNT:role/NAME` of a session ARN, which does not hold the role's path.
fn role_of_session(session_arn: &str) -> Option<String> {
    let arn = Arn::parse(session_arn)?;
    let name = arn.resource.strip_prefix("assumed-role/")?.split('/').next()?;
    Some(format!("arn:{}:iam::{}:role/{name}", arn.partition, arn.account))
}

/// The session's name in its ARN.
fn session_of(session_arn: &str) -> Option<&str> {
    session_arn.split_once(":assumed-role/")?.1.split_once('/').map(|(_, session)| session)
}

/// An account id as the record has it, or as it was before it became a number or the text of a spreadsheet; `None` where digits
/// were lost.
pub(super) fn account(text: &str) -> Option<&str> {
    if arn::is_account_id(text) {
        return Some(text);
    }
    // Those of masked logs stay what they are.
    Some(written_as_number(text)).filter(|text| !text.contains("E+") && !text.contains("e+"))
}
