//! Amazon Resource Names: `arn:partition:service:region:account:resource`.

/// A borrowed ARN, split at its first five colons. Nothing is validated beyond the six parts: logs hold masked and
/// placeholder accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: &'a str,
    /// The service's ARN prefix, for example `workmail`.
    pub service: &'a str,
    /// Empty for global services.
    pub region: &'a str,
    /// Account id, or empty.
    pub account: &'a str,
    /// Everything after the fifth colon; may hold `:` and `/`.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Splits `text`, or `None` if it does not begin with `arn:` or has fewer than six parts.
    ///
    /// ```
    /// let arn = retrial::iam::Arn::parse("arn:aws:iam::111122223333:role/ops/Mail").unwrap();
    /// assert_eq!((arn.account, arn.resource), ("111122223333", "role/ops/Mail"));
    /// ```
    pub fn parse(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix("arn:")?;
        // Byte by byte: the parts are too short for a search to be worth its beginning.
        let mut colons = rest.bytes().enumerate().filter(|(_, byte)| *byte == b':').map(|(at, _)| at);
        let [partition, service, region, account] = [colons.next()?, colons.next()?, colons.next()?, colons.next()?];
        Some(Self {
            partition: rest.get(..partition)?,
            service: rest.get(partition + 1..service)?,
            region: rest.get(service + 1..region)?,
            account: rest.get(region + 1..account)?,
            resource: rest.get(account + 1..)?,
        })
    }

    /// The name after the last `/` of the resource: the user or role name without its path.
    pub fn name(&self) -> &'a str {
        self.resource.rsplit('/').next().unwrap_or(self.resource)
    }
}

/// Whether a text is the id of an account.
pub fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The permission set of an Identity Center role ARN: `MailAdmin` of
/// `arn:aws:iam::...:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_MailAdmin_0123456789abcdef`.
pub fn permission_set(role_arn: &str) -> Option<&str> {
    let resource = Arn::parse(role_arn)?.resource;
    let path = resource.strip_prefix("role/aws-reserved/sso.amazonaws.com/")?;
    let name = path.rsplit('/').next()?.strip_prefix("AWSReservedSSO_")?;
    let (set, suffix) = name.rsplit_once('_')?;
    let hex = suffix.len() == 16 && suffix.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then_some(set)
}

/// Whether the role ARN is that of a service-linked role.
pub fn is_service_linked(role_arn: &str) -> bool {
    // Few role ARNs have the path: the others are told without splitting them. Nothing before the resource has a slash.
    let path = memchr::memchr(b'/', role_arn.as_bytes()).and_then(|slash| role_arn.get(slash + 1..));
    path.is_some_and(|path| path.starts_with("aws-service-role/"))
        && Arn::parse(role_arn).is_some_and(|arn| arn.resource.starts_with("role/aws-service-role/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_first_five_colons_only() {
        let arn = Arn::parse("arn:aws:logs:eu-west-1:111122223333:log-group:/a:b").unwrap();
        assert_eq!((arn.service, arn.resource), ("logs", "log-group:/a:b"));
        assert!(Arn::parse("arn:aws:iam").is_none() && Arn::parse("urn:a:b:c:d:e").is_none());
    }

    #[test]
    fn permission_sets_keep_underscores_of_their_own() {
        let arn = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Mail_Admin_0123456789abcdef";
        assert_eq!(permission_set(arn), Some("Mail_Admin"));
        assert_eq!(permission_set("arn:aws:iam::111122223333:role/AWSReservedSSO_Mail_0123456789abcdef"), None);
    }
}
