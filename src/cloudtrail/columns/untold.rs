//! Members of a record of which a table has no place, while all others are as the record has them.

use serde_json::Value;

/// Members of records from whose absence something follows of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// `userIdentity.invokedBy`
    InvokedBy,
    /// `userIdentity.sessionContext.sourceIdentity`
    SourceIdentity,
    /// `userIdentity.sessionContext.webIdFederationData.federatedProvider`
    FederatedProvider,
    /// `userIdentity.sessionContext.assumedRoot`
    AssumedRoot,
    /// `userIdentity.sessionContext.attributes.mfaAuthenticated`
    MfaAuthenticated,
    /// `userIdentity.sessionContext.attributes.creationDate`
    CreationDate,
    /// `sessionCredentialFromConsole`
    SessionCredentialFromConsole,
    /// `sourceIPAddress`
    SourceIpAddress,
    /// `requestParameters`, or some of its members.
    RequestParameters,
    /// `userAgent`
    UserAgent,
    /// `userIdentity.type`
    IdentityType,
    /// `userIdentity.arn`
    IdentityArn,
    /// `userIdentity.sessionContext.sessionIssuer.arn`
    SessionIssuerArn,
}

impl Member {
    /// All of them, each at its number.
    const ALL: [Self; 13] = [
        Self::InvokedBy,
        Self::SourceIdentity,
        Self::FederatedProvider,
        Self::AssumedRoot,
        Self::MfaAuthenticated,
        Self::CreationDate,
        Self::SessionCredentialFromConsole,
        Self::SourceIpAddress,
        Self::RequestParameters,
        Self::UserAgent,
        Self::IdentityType,
        Self::IdentityArn,
        Self::SessionIssuerArn,
    ];
    /// Those that say who calls.
    pub(super) const CALLER: [Self; 3] = [Self::IdentityType, Self::IdentityArn, Self::SessionIssuerArn];

    /// Its last name, and of those that say who calls the whole.
    pub fn name(self) -> &'static str {
        match self {
            Self::IdentityType => "userIdentity.type",
            Self::IdentityArn => "userIdentity.arn",
            Self::SessionIssuerArn => "userIdentity.sessionContext.sessionIssuer.arn",
            _ => self.path().last().copied().unwrap_or_default(),
        }
    }

    /// The one that says who calls, by the type of the identity: the ARN of a session does not hold the path of its role, that of
    /// the root user follows from the account, and of services and other accounts nobody is looked for.
    pub(super) fn that_says_who(identity_type: Option<&str>) -> Option<Self> {
        match identity_type {
            None => Some(Self::IdentityType),
            Some("AWSService" | "AWSAccount" | "Root") => None,
            Some("AssumedRole" | "FederatedUser") => Some(Self::SessionIssuerArn),
            Some(_) => Some(Self::IdentityArn),
        }
    }

    fn path(self) -> &'static [&'static str] {
        match self {
            Self::InvokedBy => &["userIdentity", "invokedBy"],
            Self::SourceIdentity => &["userIdentity", "sessionContext", "sourceIdentity"],
            Self::FederatedProvider => &["userIdentity", "sessionContext", "webIdFederationData", "federatedProvider"],
            Self::AssumedRoot => &["userIdentity", "sessionContext", "assumedRoot"],
            Self::MfaAuthenticated => &["userIdentity", "sessionContext", "attributes", "mfaAuthenticated"],
            Self::CreationDate => &["userIdentity", "sessionContext", "attributes", "creationDate"],
            Self::SessionCredentialFromConsole => &["sessionCredentialFromConsole"],
            Self::SourceIpAddress => &["sourceIPAddress"],
            Self::RequestParameters => &["requestParameters"],
            Self::UserAgent => &["userAgent"],
            Self::IdentityType => &["userIdentity", "type"],
            Self::IdentityArn => &["userIdentity", "arn"],
            Self::SessionIssuerArn => &["userIdentity", "sessionContext", "sessionIssuer", "arn"],
        }
    }

    /// Whether the value of a column at `place` tells it. Of a struct only the members that are there are told, with those
    /// that are null; anything else is the whole of what the record has.
    fn is_told(self, place: &[String], value: &Value, is_struct: bool) -> bool {
        let mut path = self.path().iter();
        if !place.iter().all(|name| path.next().is_some_and(|member| member == name)) {
            return false;
        }
        let mut value = value;
        for name in path.filter(|_| is_struct) {
            match value {
                Value::Object(members) => match members.get(*name) {
                    Some(member) => value = member,
                    None => return false,
                },
                _ => return true,
            }
        }
        true
    }
}

/// A set of [`Member`]s that a table does not tell: unknown, where they are not there, and not absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Untold(u16);

impl Untold {
    /// All of them: of no column is known yet that it is there.
    pub(super) fn all() -> Self {
        Self(Member::ALL.into_iter().fold(0, |set, member| set | 1 << member as u16))
    }

    /// Takes away what the value of a column tells.
    pub(super) fn tell(&mut self, place: &[String], value: &Value, is_struct: bool) {
        for member in self.members().filter(|member| member.is_told(place, value, is_struct)) {
            self.0 &= !(1 << member as u16);
        }
    }

    /// With a member.
    #[must_use]
    pub fn with(self, member: Member) -> Self {
        Self(self.0 | 1 << member as u16)
    }

    /// Without a member.
    #[must_use]
    pub(super) fn without(self, member: Member) -> Self {
        Self(self.0 & !(1 << member as u16))
    }

    /// Whether a member is among them.
    pub fn has(self, member: Member) -> bool {
        self.0 & 1 << member as u16 != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members, in order.
    pub fn members(self) -> impl Iterator<Item = Member> {
        Member::ALL.into_iter().filter(move |member| self.has(*member))
    }
}
