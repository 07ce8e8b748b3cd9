#!/usr/bin/env bash
# Makes what ecr-publish needs in an account, with the AWS CLI: GitHub as an identity provider, an
# ECR repository that is scanned on push, and a role that one GitHub repository may assume. It
# changes nothing that is there already, and ends with what to put into the workflow.
set -euo pipefail
export AWS_PAGER=''

usage() {
  cat <<'END'
Usage: aws-cli.sh --github-repository ORG/APP --repository-name NAME [options]

  --github-repository  The repository on GitHub, as the subject of its tokens names it. Created or
                       renamed since 15 July 2026: org@123456/app@456789. Older: org/app.
  --repository-name    The ECR repository.
  --role-name          Default: the ECR repository's name and -publisher.
  --branch             The branch whose workflows may publish. Default: main.
  --environment        The environment on GitHub whose jobs may publish, instead of a branch.
  --pull-requests      Pull requests may use the role too.
  --mutable-tags       Tags may move. Default: a tag that is on an image stays on it.
  --movable-tags       Tags, or patterns, that may move all the same, with commas between them; at
                       most four. Default: latest.
  --release-tags       Patterns, with commas between them, such as v*; a tag of EVERY released image
                       matches one of them, or is latest. With them, candidates that were forgotten
                       expire after 7 days. Default: nothing ever expires.

Account and region are those of the AWS CLI (AWS_PROFILE, AWS_REGION).
END
}

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

github='' repository='' role='' branch=main environment='' movable=latest releases=''
pull_requests=false immutable=true
while [[ $# -gt 0 ]]; do
  case $1 in
    --help) usage; exit ;;
    --pull-requests) pull_requests=true; shift; continue ;;
    --mutable-tags) immutable=false; shift; continue ;;
    --*) [[ $# -gt 1 ]] || fail "$1 needs a value, or is no option. See --help." ;;
  esac
  case $1 in
    --github-repository) github=$2 ;;
    --repository-name) repository=$2 ;;
    --role-name) role=$2 ;;
    --branch) branch=$2 ;;
    --environment) environment=$2 ;;
    --movable-tags) movable=$2 ;;
    --release-tags) releases=$2 ;;
    *) fail "$1 is no option. See --help." ;;
  esac
  shift 2
done
role=${role:-${repository//\//-}-publisher}

# Everything below goes into JSON documents as it is, so nothing may be in it that JSON or IAM reads.
name='[A-Za-z0-9._-]+'
[[ $github =~ ^$name/$name$ || $github =~ ^$name@[0-9]+/$name@[0-9]+$ ]] ||
  fail "--github-repository is org/app, or org@123456/app@456789 with both ids. It is: '$github'"
[[ $repository =~ ^[a-z0-9]+([._/-][a-z0-9]+)*$ ]] ||
  fail "--repository-name is a name such as team/app, in small letters. It is: '$repository'"
[[ $role =~ ^[A-Za-z0-9_+=,.@-]{1,64}$ ]] ||
  fail "--role-name has at most 64 letters, digits and _+=,.@- in it. It is: '$role'"
[[ $branch$environment =~ ^[A-Za-z0-9._/-]*$ ]] ||
  fail "--branch and --environment are names without wildcards. They are: '$branch', '$environment'"
[[ $movable$releases =~ ^[A-Za-z0-9._*,-]*$ ]] ||
  fail "--movable-tags and --release-tags are tags or patterns such as v*, with commas between them."

caller=$(aws sts get-caller-identity --query Arn --output text)
IFS=: read -r _ partition _ _ account _ <<<"$caller"
issuer=token.actions.githubusercontent.com
provider=arn:$partition:iam::$account:oidc-provider/$issuer
audience=sts.amazonaws.com
[[ $partition != aws-cn ]] || audience=sts.amazonaws.com.cn

# 1. The identity provider. No thumbprint: AWS verifies GitHub's certificate by its own list of
# authorities.
if said=$(aws iam create-open-id-connect-provider \
  --url "https://$issuer" --client-id-list "$audience" 2>&1); then
  echo "Created the identity provider $provider"
elif [[ $said == *EntityAlreadyExists* ]]; then
  audiences=$(aws iam get-open-id-connect-provider --open-id-connect-provider-arn "$provider" \
    --query ClientIDList --output text)
  [[ " ${audiences//$'\t'/ } " == *" $audience "* ]] ||
    fail "The identity provider $provider does not take the audience $audience. To add it:" \
      "  aws iam add-client-id-to-open-id-connect-provider --client-id $audience \\" \
      "    --open-id-connect-provider-arn $provider"
  echo "The identity provider is there already: $provider"
else
  fail "$said"
fi

# 2. The repository.
filters=()
IFS=, read -r -a patterns <<<"candidate-*,$movable"
for pattern in "${patterns[@]}"; do
  filters+=("filterType=WILDCARD,filter=$pattern")
done
tags=(--image-tag-mutability MUTABLE)
if $immutable; then
  tags=(--image-tag-mutability IMMUTABLE_WITH_EXCLUSION)
  tags+=(--image-tag-mutability-exclusion-filters "${filters[@]}")
fi

# An image that an earlier rule names cannot be expired by a later one. So the first rules, which
# never expire anything, keep a release that still has its candidate tag.
lifecycle_policy() {
  local number=0 pattern patterns
  IFS=, read -r -a patterns <<<"latest,$releases"
  echo '{"rules": ['
  for pattern in "${patterns[@]}"; do
    [[ $pattern != latest || $number -eq 0 ]] || continue
    number=$((number + 1))
    cat <<END
    {
      "rulePriority": $number,
      "description": "Never expires: an image that has the tag $pattern",
      "selection": {
        "tagStatus": "tagged",
        "tagPatternList": ["$pattern"],
        "countType": "imageCountMoreThan",
        "countNumber": 100000
      },
      "action": { "type": "expire" }
    },
END
  done
  cat <<'END'
    {
      "rulePriority": 99,
      "description": "A candidate that nobody has removed",
      "selection": {
        "tagStatus": "tagged",
        "tagPatternList": ["candidate-*"],
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": 7
      },
      "action": { "type": "expire" }
    }
]}
END
}

if said=$(aws ecr create-repository --repository-name "$repository" \
  --image-scanning-configuration scanOnPush=true "${tags[@]}" 2>&1); then
  echo "Created the repository $repository"
  if [[ -n $releases ]]; then
    aws ecr put-lifecycle-policy --repository-name "$repository" \
      --lifecycle-policy-text "$(lifecycle_policy)" >/dev/null
  fi
elif [[ $said == *RepositoryAlreadyExists* ]]; then
  echo "The repository is there already, and stays as it is:"
  aws ecr describe-repositories --repository-names "$repository" --output table \
    --query 'repositories[0].{"scanned on push": imageScanningConfiguration.scanOnPush, "tags": imageTagMutability}'
else
  fail "$said"
fi
repository_arn=$(aws ecr describe-repositories --repository-names "$repository" \
  --query 'repositories[0].repositoryArn' --output text)

# 3. The role.
subject=repo:$github:ref:refs/heads/$branch
[[ -z $environment ]] || subject=repo:$github:environment:$environment
subjects="\"$subject\""
if $pull_requests; then
  subjects="[\"$subject\", \"repo:$github:pull_request\"]"
fi

trust_policy() {
  cat <<END
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": { "Federated": "$provider" },
      "Action": "sts:AssumeRoleWithWebIdentity",
      "Condition": {
        "StringEquals": {
          "$issuer:aud": "$audience",
          "$issuer:sub": $subjects
        }
      }
    }
  ]
}
END
}

# EnhancedScanning is needed only where Amazon Inspector scans the registry.
permissions() {
  cat <<END
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "Registry",
      "Effect": "Allow",
      "Action": ["ecr:GetAuthorizationToken", "ecr:GetRegistryScanningConfiguration"],
      "Resource": "*"
    },
    {
      "Sid": "Repository",
      "Effect": "Allow",
      "Action": [
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
      ],
      "Resource": "$repository_arn"
    },
    {
      "Sid": "EnhancedScanning",
      "Effect": "Allow",
      "Action": [
        "inspector2:ListCoverage",
        "inspector2:ListFindings"
      ],
      "Resource": "*"
    }
  ]
}
END
}

if said=$(aws iam create-role --role-name "$role" --description "ecr-publish in $github" \
  --assume-role-policy-document "$(trust_policy)" 2>&1); then
  echo "Created the role $role"
elif [[ $said == *EntityAlreadyExists* ]]; then
  fail "The role $role is there already, and stays as it is. Give another one: --role-name" \
    "Or give it this trust policy (aws iam update-assume-role-policy):" "$(trust_policy)" \
    "and these permissions (aws iam put-role-policy):" "$(permissions)"
else
  fail "$said"
fi
aws iam put-role-policy --role-name "$role" --policy-name ecr-publish \
  --policy-document "$(permissions)"

IFS=: read -r _ _ _ region _ <<<"$repository_arn"
cat <<END

In the workflow:

    permissions:
      id-token: write
      contents: read
    steps:
      - uses: actions/checkout@v6
      - uses: org/ecr-publish@v1
        with:
          role-to-assume: arn:$partition:iam::$account:role/$role
          aws-region: $region
          repository: $repository
END
