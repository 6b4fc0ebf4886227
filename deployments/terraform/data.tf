# The lake and the warehouse.

resource "google_storage_bucket" "lake" {
  #checkov:skip=CKV_GCP_62:access is in Cloud Audit Logs, per project; logs in a second bucket would show no more
  #checkov:skip=CKV_GCP_78:a version would be kept of each temporary object; soft delete restores what was lost, and every month can be loaded anew
  name     = coalesce(var.bucket, "${var.project}-tlc-lake")
  location = var.location

  # Colder classes bill a temporary object for a month or more: docs/lake.md.
  storage_class               = "STANDARD"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.keep_data

  soft_delete_policy {
    retention_duration_seconds = var.lake_soft_delete_days * 24 * 60 * 60
  }

  # Not for .tmp/: after a kill, a manifest may name objects there until the month is loaded again.
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 7
    }
  }

  dynamic "lifecycle_rule" {
    for_each = var.lake_rejected_days == null ? [] : [var.lake_rejected_days]
    content {
      action {
        type = "Delete"
      }
      condition {
        age            = lifecycle_rule.value
        matches_prefix = ["rejected/"]
      }
    }
  }

  depends_on = [time_sleep.apis]
}

resource "google_bigquery_dataset" "warehouse" {
  #checkov:skip=CKV_GCP_81:the trips are public: Google's own key is enough
  dataset_id                 = var.dataset
  description                = "New York's taxi trips, one table a dataset, one partition a month; made by the flow gcs_to_bigquery"
  location                   = var.location
  delete_contents_on_destroy = !var.keep_data

  depends_on = [time_sleep.apis]
}

# dbt makes datasets that are missing, which takes a right on the whole project: with these, a flow run needs none.
resource "google_bigquery_dataset" "models" {
  #checkov:skip=CKV_GCP_81:the trips are public: Google's own key is enough
  for_each                   = toset(["marts", "staging"])
  dataset_id                 = "${var.dataset}_${each.key}"
  description                = "Models of New York's taxi trips; made by the flow build_models"
  location                   = var.location
  delete_contents_on_destroy = !var.keep_data

  depends_on = [time_sleep.apis]
}
