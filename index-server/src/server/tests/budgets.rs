//! Search time budgets and list size budgets.

use std::sync::Arc;
use std::time::Duration;

use protocol::index::{Refusal, Reply, Request};
use protocol::limits::MAX_BATCH;
use tempfile::tempdir;

use super::client::{TestIndexNode, file};
use super::{ServerConfig, TestIndex, limits};
use crate::budgets::BudgetLimits;
use crate::limits::{IndexLimits, QuotaLimits};
use crate::metrics::IndexMetrics;

fn search() -> Request {
    Request::Search { query: "same -same".into(), after: None, limit: 1 }
}

#[tokio::test]
async fn exhausted_search_time_names_a_retry_time() {
    let dir = tempdir().unwrap();
    // Unlimited searches, but only ten milliseconds of processor time per ten seconds.
    let quotas = QuotaLimits {
        search_time_per_node: 1,
        search_time_per_address: 0,
        limit_loopback: true,
        ..QuotaLimits::default()
    };
    let metrics = Arc::new(IndexMetrics::default());
    let config = ServerConfig {
        limits: IndexLimits { quotas, ..limits() },
        metrics: Arc::clone(&metrics),
        ..ServerConfig::default()
    };
    let index = TestIndex::start_with_config(dir.path(), config, None).await;
    let (mut greedy, mut modest) = (TestIndexNode::new(1).await, TestIndexNode::new(2).await);
    let (mut greedy, mut modest) = (greedy.join(index.address).await, modest.join(index.address).await);
    // The search has to examine every name.
    for part in 0..8 {
        let files = (0..MAX_BATCH).map(|number| file(&format!("same/{part}/{number}"), 1)).collect();
        greedy.register(files).await;
    }
    let refused = loop {
        match greedy.ask(search()).await {
            Reply::Hits { .. } => {}
            Reply::Refused(refusal) => break refusal,
            other => panic!("{other:?}"),
        }
    };
    let Refusal::TooFast { retry_after } = refused else { panic!("{refused:?}") };
    assert!(retry_after > 0 && Duration::from_millis(retry_after.into()) < Duration::from_hours(1));
    assert!(metrics.text().contains("index_search_budget_refusals_total{budget=\"node\"} 1\n"));
    assert!(
        matches!(greedy.ask(Request::Statistics).await, Reply::Statistics(_)),
        "only searches are charged"
    );
    assert!(matches!(modest.ask(search()).await, Reply::Hits { .. }));
    index.stop().await;
}

#[tokio::test]
async fn node_without_budgets_feature_gets_known_refusal() {
    let dir = tempdir().unwrap();
    let budgets = BudgetLimits { per_node: 100, ..BudgetLimits::default() };
    let config = ServerConfig { limits: IndexLimits { budgets, ..limits() }, ..ServerConfig::default() };
    let index = TestIndex::start_with_config(dir.path(), config, None).await;
    let mut node = TestIndexNode::new(1).await;
    let mut client = node.join(index.address).await;
    let files = ["a", "b", "c"].map(|path| file(path, 1)).to_vec();
    let what = "bytes for the list of this node".into();
    let expected = Reply::Refused(Refusal::TooMany { what, limit: 100 });
    assert_eq!(client.ask(Request::Register { files: files.clone() }).await, expected);
    assert_eq!(client.register(files[..2].to_vec()).await.files, 2);
    index.stop().await;
}
