//! Support cases, opened and searched by Google's own client: twice asked is two cases, and without a tier there are none.

use google_cloud_auth::credentials::anonymous;
use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_support_v2::client::CaseService;
use google_cloud_support_v2::model::case::{Priority, State};
use google_cloud_support_v2::model::escalation::Reason;
use google_cloud_support_v2::model::{Case, CaseClassification, Escalation};
use google_cloud_wkt::FieldMask;
use jiff::SignedDuration;
use rectify::sim::scenario;

use crate::support::SCENARIO;
use crate::support::cloud::Cloud;

const PARENT: &str = "projects/netra-staging";

struct Desk {
    cloud: Cloud,
    client: CaseService,
}

impl Desk {
    async fn open(scenario: &str) -> Desk {
        let cloud = Cloud::of(SCENARIO, scenario);
        let client = CaseService::builder().with_endpoint(cloud.url("")).with_retry_policy(NeverRetry);
        let client = client.with_credentials(anonymous::Builder::new().build()).build().await.unwrap();
        Desk { cloud, client }
    }

    /// A case as the program drafts it: a real classification, and a marker to find it by.
    async fn draft(&self) -> Case {
        let found = self.client.search_case_classifications().set_query("\"cloud run\"").send().await.unwrap();
        let classification = CaseClassification::new().set_id(found.case_classifications[0].id.clone());
        Case::new()
            .set_display_name("staging is down [rectify 7f3a]")
            .set_description("All health pages answer 503.")
            .set_classification(classification)
            .set_priority(Priority::P2)
            .set_time_zone("-00:00")
            .set_test_case(true)
    }

    async fn create(&self, case: Case) -> Result<Case, Error> {
        self.client.create_case().set_parent(PARENT).set_case(case).send().await
    }

    async fn found(&self, query: &str) -> Result<Vec<String>, Error> {
        let found = self.client.search_cases().set_parent(PARENT).set_query(query).send().await?;
        Ok(found.cases.into_iter().map(|case| case.name).collect())
    }
}

fn code(error: &Error) -> Option<Code> {
    error.status().map(|status| status.code)
}

#[tokio::test]
async fn a_case_is_opened_found_changed_escalated_and_closed() {
    let desk = Desk::open("").await;
    let case = desk.create(desk.draft().await).await.unwrap();
    assert_eq!((&case.state, &case.priority, case.test_case), (&State::New, &Priority::P2, true));
    assert_eq!(case.classification.as_ref().unwrap().display_name, "Technical Issue > Compute > Cloud Run");
    let name = case.name.clone();
    assert_eq!(desk.found("\"rectify 7f3a\"").await.unwrap(), [name.as_str()], "by the marker in its name");
    assert_eq!(desk.found("state=OPEN AND (priority=P1 OR priority=P2)").await.unwrap(), [name.as_str()]);
    assert!(desk.found("\"rectify 0000\"").await.unwrap().is_empty());
    assert!(desk.found("state=CLOSED").await.unwrap().is_empty());

    desk.cloud.sleep(SignedDuration::from_hours(4)).await;
    let changed = Case::new().set_name(&name).set_priority(Priority::P1).set_display_name("ignored");
    let mask = FieldMask::default().set_paths(["priority"]);
    let changed = desk.client.update_case().set_case(changed).set_update_mask(mask).send().await.unwrap();
    assert_eq!((&changed.priority, changed.display_name.as_str()), (&Priority::P1, case.display_name.as_str()));
    assert_eq!(changed.state, State::InProgressGoogleSupport, "somebody looked at it meanwhile");

    let escalation = Escalation::new().set_reason(Reason::BusinessImpact).set_justification("Nobody can work.");
    let escalated = desk.client.escalate_case().set_name(&name).set_escalation(escalation).send().await.unwrap();
    assert!(escalated.escalated);
    assert_eq!(desk.client.close_case().set_name(&name).send().await.unwrap().state, State::Closed);
    assert_eq!(desk.found("state=CLOSED").await.unwrap(), [name.as_str()]);
    let again = desk.client.close_case().set_name(&name).send().await.unwrap_err();
    assert_eq!(code(&again), Some(Code::FailedPrecondition));
}

#[tokio::test]
async fn the_same_request_twice_is_two_cases() {
    let desk = Desk::open("").await;
    let draft = desk.draft().await;
    let (one, other) = (desk.create(draft.clone()).await.unwrap(), desk.create(draft).await.unwrap());
    assert_ne!(one.name, other.name);
    assert_eq!(desk.found("\"rectify 7f3a\"").await.unwrap(), [other.name, one.name], "the newest first");
}

#[tokio::test]
async fn without_a_tier_there_are_no_cases() {
    let desk = Desk::open("[support]\ntier = \"none\"\n").await;
    let draft = desk.draft().await;
    assert_eq!(code(&desk.create(draft).await.unwrap_err()), Some(Code::PermissionDenied));
    assert_eq!(code(&desk.found("").await.unwrap_err()), Some(Code::PermissionDenied));
    let desk = Desk::open("[support]\ntier = \"standard\"\n").await;
    let case = desk.create(desk.draft().await).await.unwrap();
    let escalation = Escalation::new().set_reason(Reason::ResolutionTime).set_justification("It takes long.");
    let refused = desk.client.escalate_case().set_name(case.name).set_escalation(escalation).send().await.unwrap_err();
    assert_eq!(code(&refused), Some(Code::FailedPrecondition), "not every tier escalates");
}

#[tokio::test]
async fn a_case_that_says_too_little_is_refused() {
    let desk = Desk::open("").await;
    let whole = desk.draft().await;
    for (what, case) in [
        ("name", whole.clone().set_display_name("")),
        ("description", whole.clone().set_description("")),
        ("classification", whole.clone().set_classification(CaseClassification::new().set_id("gone"))),
        ("priority", whole.clone().set_priority(Priority::Unspecified)),
    ] {
        assert_eq!(code(&desk.create(case).await.unwrap_err()), Some(Code::InvalidArgument), "{what}");
    }
    assert!(desk.found("").await.unwrap().is_empty(), "none of them was opened");
    let case = desk.create(whole).await.unwrap();
    let unjustified = Escalation::new().set_reason(Reason::BusinessImpact);
    let refused =
        desk.client.escalate_case().set_name(&case.name).set_escalation(unjustified).send().await.unwrap_err();
    assert_eq!(code(&refused), Some(Code::InvalidArgument));
    let mask = FieldMask::default().set_paths(["description"]);
    let update = desk.client.update_case().set_case(Case::new().set_name(&case.name)).set_update_mask(mask);
    assert_eq!(code(&update.send().await.unwrap_err()), Some(Code::InvalidArgument), "it cannot be changed");
    assert_eq!(code(&desk.found("description=x").await.unwrap_err()), Some(Code::InvalidArgument));
}

#[tokio::test]
async fn who_may_not_open_cases_is_told_so() {
    let callers =
        "[callers.\"reader@example.com\"]\ntoken = \"reader\"\ndenied = [\"cloudsupport.techCases.create\"]\n";
    let desk = Desk::open(callers).await;
    let body = Some(serde_json::json!({ "displayName": "x" }));
    let refused = desk.cloud.send_as(Some("reader"), "POST", "/v2/projects/netra-staging/cases", body).await.unwrap();
    assert_eq!((refused.status, &refused.json["error"]["status"]), (403, &"PERMISSION_DENIED".into()));
    let listed = desk.cloud.send_as(Some("reader"), "GET", "/v2/projects/netra-staging/cases:search", None).await;
    assert_eq!(listed.unwrap().status, 200);
}

#[test]
fn a_tier_that_there_is_not_is_refused() {
    let text = std::fs::read_to_string(SCENARIO).unwrap() + "[support]\ntier = \"gold\"\n";
    assert!(scenario::parse("s", &text).unwrap_err().to_string().contains("unknown variant `gold`"));
    let text = text.replace("tier = \"gold\"", "response_takes = \"-1h\"");
    assert!(scenario::parse("s", &text).unwrap_err().to_string().contains("cannot be negative"));
}
