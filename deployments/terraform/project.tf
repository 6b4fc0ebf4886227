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
    var.budget == null ? [] : ["billingbudgets.googleapis.com"],
  ))
}

resource "google_project_service" "apis" {
  for_each = local.apis
  service  = each.value

  # Others in the project may use them.
  disable_on_destroy = false
}

# An API answers a minute or so after it is enabled.
resource "time_sleep" "apis" {
  create_duration = "60s"
  triggers        = { for name, api in google_project_service.apis : name => api.id }
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

  # The last five images: each is up to three versions here (an index, the image, how it was built).
  cleanup_policies {
    id     = "keep-the-last-ones"
    action = "KEEP"
    most_recent_versions {
      keep_count = 15
    }
  }
  # Tags too, of which every image has one: so they are not immutable, for Google deletes no image with such a tag.
  cleanup_policies {
    id     = "delete-old-ones"
    action = "DELETE"
    condition {
      tag_state  = "ANY"
      older_than = "2592000s"
    }
  }

  depends_on = [time_sleep.apis]
}

locals {
  repository = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.repository_id}"
  image_name = "nyc-taxi-flows:${var.image_tag}"
}

# What runs is named by its digest: a tag that is pushed anew changes nothing before the next apply, which shows it.
data "google_artifact_registry_docker_image" "flows" {
  location      = google_artifact_registry_repository.images.location
  repository_id = google_artifact_registry_repository.images.repository_id
  image_name    = local.image_name
}
