//! The users, groups and roles of the company.

use super::estate::{PRODUCTION, SHARED, TEST};
use super::principals::{Group, Kind, Presence, Principal};

/// All groups; none has a path.
pub(super) static GROUPS: [Group; 6] = [
    Group { account: PRODUCTION, name: "MailAdmins", managed: &["WorkMailAdmins", "MailSafety"], inline: &[] },
    Group { account: PRODUCTION, name: "MailHelpdesk", managed: &["WorkMailHelpdesk"], inline: &[] },
    Group { account: PRODUCTION, name: "MailViewers", managed: &["WorkMailViewers"], inline: &[] },
    Group { account: PRODUCTION, name: "LegacyMailAdmins", managed: &["aws:AmazonWorkMailFullAccess"], inline: &[] },
    Group { account: PRODUCTION, name: "MailFlowEditors", managed: &[], inline: &[("mail-flow-rules", "inline/mail-flow-rules")] },
    Group { account: TEST, name: "MailTesters", managed: &["MailLab"], inline: &[] },
];

const USER: Principal = Principal {
    kind: Kind::User,
    account: PRODUCTION,
    path: "/mail/",
    name: "",
    groups: &[],
    managed: &[],
    inline: &[],
    boundary: None,
    tags: &[],
    trusts: ("", ""),
    presence: Presence::Present,
};
const ROLE: Principal = Principal { kind: Kind::Role, path: "/", trusts: ("AWS", "arn:aws:iam::111122223333:root"), ..USER };
const PERMISSION_SET: Principal = Principal {
    path: "/aws-reserved/sso.amazonaws.com/eu-west-1/",
    trusts: ("Federated", "arn:aws:iam::111122223333:saml-provider/AWSSSO_0c0ffee0c0ffee00_DO_NOT_DELETE"),
    ..ROLE
};

pub(super) static ALICE: Principal = Principal { name: "alice.moreno", groups: &["MailAdmins"], tags: &[("Team", "mail")], ..USER };
pub(super) static OMAR: Principal = Principal { name: "omar.haddad", groups: &["MailAdmins"], tags: &[("Team", "mail")], ..USER };
pub(super) static BJORN: Principal = Principal { name: "bjorn.dahl", groups: &["MailHelpdesk"], tags: &[("Team", "helpdesk")], ..USER };
pub(super) static CHLOE: Principal = Principal { name: "chloe.tan", groups: &["MailHelpdesk"], tags: &[("Team", "helpdesk")], ..USER };
pub(super) static FRANK: Principal = Principal { name: "frank.obrien", presence: Presence::Deleted, ..USER };
pub(super) static DARIO: Principal = Principal { name: "dario.rossi", groups: &["MailViewers"], ..USER };
pub(super) static ERIN: Principal = Principal { name: "erin.wolf", groups: &["MailViewers"], ..USER };
pub(super) static KIM: Principal = Principal { name: "kim.sato", groups: &["MailViewers"], ..USER };
pub(super) static JONAS: Principal = Principal { name: "jonas.keller", groups: &["MailFlowEditors"], ..USER };
pub(super) static LENA: Principal = Principal {
    name: "lena.vogt",
    inline: &[("assume-device-admin", "inline/assume-device-admin")],
    tags: &[("Team", "mobility")],
    ..USER
};
pub(super) static POSTMASTER: Principal = Principal { path: "/legacy/", name: "postmaster", groups: &["LegacyMailAdmins"], ..USER };
pub(super) static HR_SYNC: Principal = Principal { path: "/legacy/", name: "hr-sync", groups: &["LegacyMailAdmins"], ..USER };
pub(super) static GRETA: Principal = Principal { account: TEST, path: "/lab/", name: "greta.lind", groups: &["MailTesters"], ..USER };
pub(super) static IVY: Principal =
    Principal { account: SHARED, path: "/security/", name: "ivy.chen", inline: &[("assume-review", "inline/assume-review")], ..USER };

pub(super) static OPS: Principal = Principal { path: "/ops/", name: "WorkMailOps", managed: &["WorkMailAdmins", "MailSafety"], ..ROLE };
pub(super) static MIGRATION: Principal =
    Principal { path: "/ops/", name: "MailMigration", managed: &["WorkMailProvisioning"], presence: Presence::Recreated, ..ROLE };
pub(super) static PROVISIONER: Principal = Principal {
    path: "/automation/",
    name: "MailboxProvisioner",
    managed: &["WorkMailProvisioning"],
    boundary: Some("MailAutomationBoundary"),
    ..ROLE
};
pub(super) static DEPROVISIONER: Principal =
    Principal { path: "/automation/", name: "MailboxDeprovisioner", managed: &["WorkMailDeprovisioning"], ..ROLE };
pub(super) static RUNNER: Principal = Principal {
    path: "/automation/",
    name: "PipelineRunner",
    inline: &[("assume-mail-roles", "inline/assume-mail-roles")],
    trusts: ("Service", "ec2.amazonaws.com"),
    ..ROLE
};
pub(super) static EXPORTER: Principal = Principal { path: "/export/", name: "MailboxExporter", managed: &["WorkMailExport"], ..ROLE };
pub(super) static EXPORT_TARGET: Principal = Principal {
    path: "/service-role/",
    name: "WorkMailExportRole",
    managed: &["WorkMailExportTarget"],
    trusts: ("Service", "export.workmail.amazonaws.com"),
    ..ROLE
};
pub(super) static DEVICES: Principal =
    Principal { path: "/devices/", name: "MobileDeviceAdmin", managed: &["WorkMailDevices"], tags: &[("Team", "mobility")], ..ROLE };
pub(super) static FILTER: Principal = Principal {
    path: "/service-role/",
    name: "message-filter-role",
    managed: &["WorkMailMessageFlow"],
    trusts: ("Service", "lambda.amazonaws.com"),
    ..ROLE
};
const MAIL_AUDITOR: Principal = Principal {
    path: "/audit/",
    name: "MailAuditor",
    managed: &["aws:AmazonWorkMailReadOnlyAccess"],
    trusts: ("AWS", "arn:aws:iam::777788889999:role/security/IdentityAuditor"),
    ..ROLE
};
pub(super) static AUDITOR: Principal = MAIL_AUDITOR;
pub(super) static TEST_AUDITOR: Principal = Principal { account: TEST, ..MAIL_AUDITOR };
pub(super) static SSO_ADMIN: Principal =
    Principal { name: "AWSReservedSSO_MailAdmin_0b7c4e91d25fa368", managed: &["WorkMailAdmins", "MailSafety"], ..PERMISSION_SET };
pub(super) static SSO_VIEWER: Principal = Principal {
    name: "AWSReservedSSO_MailViewer_5d2f80c46ab91e37",
    inline: &[("AwsSSOInlinePolicy", "inline/mail-viewer")],
    ..PERMISSION_SET
};
pub(super) static TEST_SSO_ADMIN: Principal = Principal {
    account: TEST,
    name: "AWSReservedSSO_MailAdmin_9e13d7605cb84f2a",
    managed: &["aws:AmazonWorkMailFullAccess"],
    ..PERMISSION_SET
};
pub(super) static SHARED_SSO_VIEWER: Principal = Principal {
    account: SHARED,
    name: "AWSReservedSSO_MailViewer_c60a52f1b8d9473e",
    inline: &[("AwsSSOInlinePolicy", "inline/mail-viewer-shared")],
    ..PERMISSION_SET
};
pub(super) static SANDBOX: Principal = Principal {
    account: TEST,
    path: "/lab/",
    name: "MailSandbox",
    inline: &[("sandbox", "inline/sandbox")],
    trusts: ("Service", "ec2.amazonaws.com"),
    ..ROLE
};
pub(super) static IDENTITY_AUDITOR: Principal = Principal {
    account: SHARED,
    path: "/security/",
    name: "IdentityAuditor",
    managed: &["SecurityReview"],
    trusts: ("AWS", "arn:aws:iam::777788889999:root"),
    ..ROLE
};
pub(super) static EVENTS_ROLE: Principal = Principal {
    path: "/aws-service-role/events.workmail.amazonaws.com/",
    name: "AWSServiceRoleForAmazonWorkMailEvents",
    managed: &["aws:aws-service-role/AmazonWorkMailEventsServiceRolePolicy"],
    trusts: ("Service", "events.workmail.amazonaws.com"),
    ..ROLE
};

/// Every principal, also those that the snapshot no longer has.
pub(super) static PRINCIPALS: [&Principal; 32] = [
    &ALICE,
    &OMAR,
    &BJORN,
    &CHLOE,
    &FRANK,
    &DARIO,
    &ERIN,
    &KIM,
    &JONAS,
    &LENA,
    &POSTMASTER,
    &HR_SYNC,
    &GRETA,
    &IVY,
    &OPS,
    &MIGRATION,
    &PROVISIONER,
    &DEPROVISIONER,
    &RUNNER,
    &EXPORTER,
    &EXPORT_TARGET,
    &DEVICES,
    &FILTER,
    &AUDITOR,
    &TEST_AUDITOR,
    &SSO_ADMIN,
    &SSO_VIEWER,
    &TEST_SSO_ADMIN,
    &SHARED_SSO_VIEWER,
    &SANDBOX,
    &IDENTITY_AUDITOR,
    &EVENTS_ROLE,
];

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_unique_and_look_like_those_of_iam() {
        let ids: BTreeSet<String> = PRINCIPALS.iter().map(|principal| principal.snapshot_id()).collect();
        assert_eq!(ids.len(), PRINCIPALS.len());
        assert!(ids.iter().all(|id| id.len() == 21));
        assert_eq!(ALICE.long_term_key().len(), 20);
        assert_ne!(MIGRATION.logged_id(), MIGRATION.snapshot_id());
        assert_eq!(ALICE.logged_id(), ALICE.snapshot_id());
    }

    #[test]
    fn arns_carry_the_path() {
        assert_eq!(OPS.arn(), "arn:aws:iam::111122223333:role/ops/WorkMailOps");
        assert_eq!(GRETA.arn(), "arn:aws:iam::444455556666:user/lab/greta.lind");
    }

    #[test]
    fn groups_of_users_exist() {
        for principal in PRINCIPALS {
            for group in principal.groups {
                assert!(GROUPS.iter().any(|known| known.name == *group && known.account == principal.account), "{group}");
            }
        }
    }
}
