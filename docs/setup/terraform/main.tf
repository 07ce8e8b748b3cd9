# What ecr-publish needs in an account: GitHub as an identity provider, a role that one GitHub
# repository may assume, and an ECR repository that is scanned on push. Use it as it is, or as a
# module. The region is the AWS provider's.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.8"
    }
  }
}

variable "github_repository" {
  type        = string
  description = "The repository on GitHub, as the subject of its tokens names it. Created or renamed since 15 July 2026: org@123456/app@456789, with the ids. Older: org/app."
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+/[A-Za-z0-9._-]+$|^[A-Za-z0-9_-]+@[0-9]+/[A-Za-z0-9._-]+@[0-9]+$", var.github_repository))
    error_message = "Give org/app, or org@123456/app@456789 with both ids."
  }
}

variable "repository_name" {
  type        = string
  description = "The ECR repository to create."
}

variable "role_name" {
  type        = string
  description = "Name of the role. Empty: the ECR repository's name and -publisher."
  default     = ""
}

variable "branch" {
  type        = string
  description = "The branch whose workflows may publish. Not used where environment is set."
  default     = "main"
}

variable "environment" {
  type        = string
  description = "The environment on GitHub whose jobs may publish, instead of a branch. Empty: none."
  default     = ""
}

variable "pull_requests" {
  type        = bool
  description = "Whether pull requests may use the role too. Whoever may push a branch may then push images."
  default     = false
}

variable "create_oidc_provider" {
  type        = bool
  description = "Whether to create the identity provider. An account can have it once; false where it has it."
  default     = true
}

variable "immutable_tags" {
  type        = bool
  description = "Whether a tag that is on an image stays on it. Candidate tags are never held to it."
  default     = true
}

variable "movable_tags" {
  type        = list(string)
  description = "Tags, or patterns of tags, that may move all the same; at most four."
  default     = ["latest"]
}

variable "release_tag_patterns" {
  type        = list(string)
  description = "Patterns such as v*; a tag of EVERY released image matches one of them, or is latest. Set them, and candidates that were forgotten expire after 7 days. Empty: nothing ever expires."
  default     = []
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  issuer   = "token.actions.githubusercontent.com"
  audience = data.aws_partition.current.partition == "aws-cn" ? "sts.amazonaws.com.cn" : "sts.amazonaws.com"
  subject  = var.environment == "" ? "repo:${var.github_repository}:ref:refs/heads/${var.branch}" : "repo:${var.github_repository}:environment:${var.environment}"
  subjects = var.pull_requests ? [local.subject, "repo:${var.github_repository}:pull_request"] : [local.subject]

  provider_arn = (
    var.create_oidc_provider
    ? aws_iam_openid_connect_provider.github[0].arn
    : "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:oidc-provider/${local.issuer}"
  )
}

# Other roles of the account may trust it: before a destroy, `terraform state rm` it.
resource "aws_iam_openid_connect_provider" "github" {
  count = var.create_oidc_provider ? 1 : 0

  # No thumbprint: AWS verifies GitHub's certificate by its own list of authorities.
  url            = "https://${local.issuer}"
  client_id_list = [local.audience]
}

resource "aws_iam_role" "publisher" {
  name        = var.role_name == "" ? "${replace(var.repository_name, "/", "-")}-publisher" : var.role_name
  description = "ecr-publish in ${var.github_repository}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Principal = {
          Federated = local.provider_arn
        }
        Action = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          StringEquals = {
            "token.actions.githubusercontent.com:aud" = local.audience
            "token.actions.githubusercontent.com:sub" = local.subjects
          }
        }
      }
    ]
  })
}

resource "aws_iam_role_policy" "publisher" {
  name = "ecr-publish"
  role = aws_iam_role.publisher.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Registry"
        Effect = "Allow"
        Action = [
          "ecr:GetAuthorizationToken",
          "ecr:GetRegistryScanningConfiguration"
        ]
        Resource = "*"
      },
      {
        Sid    = "Repository"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability",
          "ecr:BatchDeleteImage",
          "ecr:BatchGetImage",
          "ecr:BatchGetRepositoryScanningConfiguration",
          "ecr:CompleteLayerUpload",
          "ecr:DescribeImageScanFindings",
          "ecr:DescribeImages",
          "ecr:DescribeRepositories",
          "ecr:GetDownloadUrlForLayer",
          "ecr:InitiateLayerUpload",
          "ecr:PutImage",
          "ecr:StartImageScan",
          "ecr:UploadLayerPart"
        ]
        Resource = aws_ecr_repository.images.arn
      },
      # Needed only where Amazon Inspector scans the registry (enhanced scanning).
      {
        Sid    = "EnhancedScanning"
        Effect = "Allow"
        Action = [
          "inspector2:ListCoverage",
          "inspector2:ListFindings"
        ]
        Resource = "*"
      }
    ]
  })
}

resource "aws_ecr_repository" "images" {
  name                 = var.repository_name
  image_tag_mutability = var.immutable_tags ? "IMMUTABLE_WITH_EXCLUSION" : "MUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }

  dynamic "image_tag_mutability_exclusion_filter" {
    for_each = var.immutable_tags ? concat(["candidate-*"], var.movable_tags) : []
    content {
      filter      = image_tag_mutability_exclusion_filter.value
      filter_type = "WILDCARD"
    }
  }
}

# An image that an earlier rule names cannot be expired by a later one. So the first rules, which
# never expire anything, keep a release that still has its candidate tag.
resource "aws_ecr_lifecycle_policy" "candidates" {
  count      = length(var.release_tag_patterns) > 0 ? 1 : 0
  repository = aws_ecr_repository.images.name

  policy = jsonencode({
    rules = concat(
      [
        for index, pattern in distinct(concat(var.release_tag_patterns, ["latest"])) : {
          rulePriority = index + 1
          description  = "Never expires: an image that has the tag ${pattern}"
          selection = {
            tagStatus      = "tagged"
            tagPatternList = [pattern]
            countType      = "imageCountMoreThan"
            countNumber    = 100000
          }
          action = { type = "expire" }
        }
      ],
      [
        {
          rulePriority = 99
          description  = "A candidate that nobody has removed"
          selection = {
            tagStatus      = "tagged"
            tagPatternList = ["candidate-*"]
            countType      = "sinceImagePushed"
            countUnit      = "days"
            countNumber    = 7
          }
          action = { type = "expire" }
        }
      ]
    )
  })
}

output "role_arn" {
  description = "For the input role-to-assume."
  value       = aws_iam_role.publisher.arn
}

output "region" {
  description = "For the input aws-region."
  value       = data.aws_region.current.region
}

output "repository_name" {
  description = "For the input repository."
  value       = aws_ecr_repository.images.name
}
