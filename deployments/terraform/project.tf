locals {
  apis = toset(concat(
    [
      "artifactregistry.googleapis.com",
      "bigquery.googleapis.com",
      "cloudresourcemanager.googleapis.com", # rights on the project; its number is read while planning: docs/google-cloud.md
      "iam.googleapis.com",
      "run.googleapis.com",
      "secretmanager.googleapis.com",
      "storage.googleapis.com",
    ],
    var.postgres ? ["sqladmin.googleapis.com"] : [],
  ))
}

resource "google_project_service" "apis" {
  for_each = local.apis
  service  = each.value

  # Others in the project may use them.
  disable_on_destroy = false
}

data "google_project" "this" {
  project_id = var.project
}

resource "google_artifact_registry_repository" "images" {
  #checkov:skip=CKV_GCP_84:Google's own key is enough: the image holds no secret and no data
  repository_id = "nyc-taxi-flows"
  description   = "The image of the flows, their worker and the server"
  format        = "DOCKER"
  location      = var.region

  cleanup_policies {
    id     = "keep-the-last-ones"
    action = "KEEP"
    most_recent_versions {
      keep_count = 5
    }
  }
  cleanup_policies {
    id     = "delete-what-has-no-tag"
    action = "DELETE"
    condition {
      tag_state  = "UNTAGGED"
      older_than = "2592000s"
    }
  }

  depends_on = [google_project_service.apis]
}

locals {
  repository = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.repository_id}"
  image      = "${local.repository}/nyc-taxi-flows:${var.image_tag}"
}
