terraform {
  # 1.11 has write-only arguments: no password is in the state.
  required_version = ">= 1.11"

  # Exact: no lock file says which archive is the right one (docs/cloud-checklist.md).
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "6.50.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "3.7.2"
    }
    time = {
      source  = "hashicorp/time"
      version = "0.13.1"
    }
  }
}

provider "google" {
  project        = var.project
  region         = var.region
  default_labels = var.labels
}

# The API of budgets takes no call of a person's that is not on a project's account.
provider "google" {
  alias                 = "billing"
  project               = var.project
  billing_project       = var.project
  user_project_override = true
}
