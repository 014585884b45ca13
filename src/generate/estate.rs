//! The fictional company: the log window, the accounts, the WorkMail organizations.

/// First day of the log window, in days since 1970-01-01: 2026-06-01.
pub(super) const FIRST_DAY: u64 = 20_605;
/// Length of the log window: up to 2026-09-28.
pub(super) const DAYS: u64 = 120;

/// The AWS organization id in the delivery path of the trail.
pub(super) const ORGANIZATION_TRAIL: &str = "o-exampleorgid";

/// Mail in production.
pub(super) const PRODUCTION: &str = "111122223333";
/// Mail for tests.
pub(super) const TEST: &str = "444455556666";
/// Shared services: Identity Center, security reviews.
pub(super) const SHARED: &str = "777788889999";
/// Accounts with a snapshot.
pub(super) const ACCOUNTS: [&str; 3] = [PRODUCTION, TEST, SHARED];
/// An account of another company.
pub(super) const FOREIGN: &str = "999988887777";

/// A WorkMail organization, the only resource type of the service.
#[derive(Debug)]
pub(super) struct Organization {
    pub(super) id: &'static str,
    pub(super) account: &'static str,
    pub(super) region: &'static str,
    pub(super) domain: &'static str,
    pub(super) key: &'static str,
}

/// Head office, production.
pub(super) static CORP: Organization = Organization {
    id: "m-3f9c1d7be2a84650b1c7d90e5fa26834",
    account: PRODUCTION,
    region: "eu-west-1",
    domain: "harborlight.example.com",
    key: "1f0c4a52-7d3e-4b68-9a51-c2e6d80b7f13",
};
/// The branch in the United States, production.
pub(super) static BRANCH: Organization = Organization {
    id: "m-8d20b6a1f35e4c97a0d4e7712b9c5f06",
    account: PRODUCTION,
    region: "us-east-1",
    domain: "us.harborlight.example.com",
    key: "6b9d21e7-05af-4c1c-8e34-77a0f3d5b912",
};
/// The laboratory, test account.
pub(super) static LAB: Organization = Organization {
    id: "m-c41e7f0a9b6d4238860f1e2ad57c93b4",
    account: TEST,
    region: "eu-west-1",
    domain: "lab.example.net",
    key: "d80e5b36-91c2-4f7a-b0d3-5e6a1c9f2748",
};
/// A pilot in another region, test account.
pub(super) static PILOT: Organization = Organization {
    id: "m-0a7b5c92d1e84f63b7a05d3c68e1f927",
    account: TEST,
    region: "us-west-2",
    domain: "pilot.example.net",
    key: "a27f6c08-3e4d-4d95-bb10-f8c7e2915d60",
};
/// No WorkMail organization: where the shared services account works, and test calls from a third region.
pub(super) static SHARED_EUROPE: Organization =
    Organization { id: "m-00000000000000000000000000000000", account: SHARED, region: "eu-west-1", domain: "example.com", key: CORP.key };
/// The test account in a region without an organization.
pub(super) static LAB_ELSEWHERE: Organization =
    Organization { id: "m-00000000000000000000000000000000", account: TEST, region: "us-east-1", domain: "example.net", key: LAB.key };
