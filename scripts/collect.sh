#!/usr/bin/env bash
# Collects what retrial reads of AWS accounts and their organization into a folder, with the AWS CLI alone. Read-only: every
# call gets, lists or describes.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/collect.sh OUT [ACCOUNT=PROFILE...]

Writes into the folder OUT, which is made if it is not there:

  account-ACCOUNT.json    users, groups, roles and policies (iam get-account-authorization-details, all pages)
  organization/*.json     the organization, as the CLI prints it; of what a list is stands in the file's name:
                            describe-organization.json
                            list-roots.json
                            list-organizational-units-for-parent.PARENT.json
                            list-accounts-for-parent.PARENT.json
                            list-policies.TYPE.json
                            list-policies-for-target.TARGET.TYPE.json
                            describe-policy.POLICY.json
  context.toml            when this was collected; with REGIONS the VPCs of endpoints and the tags of WorkMail
                          organizations

Without ACCOUNT=PROFILE the account of the current credentials is collected; else each account that is named, with its
profile of the AWS CLI. The organization is read with the current credentials: those of the management account or of a
delegated administrator. Where they may not read it, that part is left out with a remark.

REGIONS="eu-west-1 us-east-1" scripts/collect.sh OUT    also asks these regions for VPC endpoints and WorkMail

Permissions: iam:GetAccountAuthorizationDetails; for the organization organizations:Describe* and organizations:List*;
with REGIONS ec2:DescribeVpcEndpoints, workmail:ListOrganizations and workmail:ListTagsForResource.

Then: retrial replay LOGS --baseline OUT --candidate changes.toml -o report
TEXT
}

# Says what is wrong, and ends.
refuse() {
  echo "collect.sh: $1" >&2
  exit 2
}

case ${1:-} in
  -h | --help)
    usage
    exit 0
    ;;
  '')
    usage >&2
    exit 2
    ;;
esac

out=$1
shift
for pair in "$@"; do
  [[ $pair == [0-9]*=?* ]] || refuse "\`$pair\` is not ACCOUNT=PROFILE"
done
command -v aws >/dev/null || refuse "the AWS CLI is not there: install it, or add it to PATH"

# Policies tell how an account can be entered: they are for nobody else to read.
umask 077
folder=$out/organization
mkdir -p "$folder"

# An answer in JSON, in a file that is there whole or not at all.
save() {
  local file=$1
  shift
  if ! aws --output json --no-cli-pager "$@" >"$file.part"; then
    rm -f "$file.part"
    return 1
  fi
  mv "$file.part" "$file"
}

# The values of a query, row by row. The CLI prints `None` where there is none.
rows() {
  aws --output text --no-cli-pager "$@" | sed -e '/^$/d' -e '/^None$/d'
}

# The same, one value a line.
values() {
  rows "$@" | tr '\t' '\n'
}

lower() {
  tr '[:upper:]' '[:lower:]' <<<"$1"
}

# A text for TOML.
quoted() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

# --- accounts ---------------------------------------------------------------------------------------------------------

# An account, with more arguments for the CLI.
account() {
  local account=$1 region
  shift
  echo "account $account" >&2
  save "$out/account-$account.json" iam get-account-authorization-details "$@"
  for region in ${REGIONS:-}; do
    endpoints "$region" "$@"
    mail "$account" "$region" "$@"
  done
}

endpoints() {
  local region=$1 id vpc owner found
  shift
  found=$(rows ec2 describe-vpc-endpoints --region "$region" "$@" --query 'VpcEndpoints[].[VpcEndpointId,VpcId,OwnerId]') ||
    {
      echo "collect.sh: the VPC endpoints in $region may not be asked: left out" >&2
      return 0
    }
  while IFS=$'\t' read -r id vpc owner; do
    # Of a shared network, several accounts may list it.
    if [[ -z $id ]] || grep -qxF "[endpoints.$id]" "$context"; then continue; fi
    printf '\n[endpoints.%s]\nvpc = %s\naccount = %s\n' "$id" "$(quoted "$vpc")" "$(quoted "$owner")" >>"$context"
  done <<<"$found"
}

# The tags of the WorkMail organizations. In a region without WorkMail there is nothing to ask.
mail() {
  local account=$1 region=$2 id arn name value organizations
  shift 2
  organizations=$(values workmail list-organizations --region "$region" "$@" --query "OrganizationSummaries[?State=='Active'].OrganizationId") ||
    {
      echo "collect.sh: no WorkMail in $region, or it may not be asked: left out" >&2
      return 0
    }
  for id in $organizations; do
    arn=arn:aws:workmail:$region:$account:organization/$id
    printf '\n[resources.%s.tags]\n' "$(quoted "$arn")" >>"$context"
    rows workmail list-tags-for-resource --resource-arn "$arn" --region "$region" "$@" --query 'Tags[].[Key,Value]' |
      while IFS=$'\t' read -r name value; do
        printf '%s = %s\n' "$(quoted "$name")" "$(quoted "$value")" >>"$context"
      done
  done
}

# --- the organization -------------------------------------------------------------------------------------------------

# The types of policy that are in use at a root, of those that retrial reads.
in_use() {
  local type found
  found=$(values organizations list-roots --query "Roots[?Id=='$1'].PolicyTypes[] | [?Status=='ENABLED'].Type")
  for type in SERVICE_CONTROL_POLICY RESOURCE_CONTROL_POLICY; do
    if grep -qx "$type" <<<"$found"; then echo "$type"; fi
  done
}

# The policies at a root, an organizational unit or an account.
attached() {
  local type
  for type in $types; do
    save "$folder/list-policies-for-target.$1.$(lower "$type").json" \
      organizations list-policies-for-target --target-id "$1" --filter "$type"
  done
}

# A root or an organizational unit, with all that stands below.
below() {
  local parent=$1 id ids
  attached "$parent"
  save "$folder/list-accounts-for-parent.$parent.json" organizations list-accounts-for-parent --parent-id "$parent"
  ids=$(values organizations list-accounts-for-parent --parent-id "$parent" --query 'Accounts[].Id')
  for id in $ids; do attached "$id"; done
  save "$folder/list-organizational-units-for-parent.$parent.json" \
    organizations list-organizational-units-for-parent --parent-id "$parent"
  ids=$(values organizations list-organizational-units-for-parent --parent-id "$parent" --query 'OrganizationalUnits[].Id')
  for id in $ids; do below "$id"; done
}

organization() {
  local root roots type id ids
  if ! save "$folder/describe-organization.json" organizations describe-organization ||
    ! save "$folder/list-roots.json" organizations list-roots; then
    rm -f "$folder/describe-organization.json"
    echo "collect.sh: no organization that these credentials may read (its management account's may): left out" >&2
    return 0
  fi
  roots=$(values organizations list-roots --query 'Roots[].Id')
  for root in $roots; do
    echo "organization, root $root" >&2
    types=$(in_use "$root")
    below "$root"
    for type in $types; do
      save "$folder/list-policies.$(lower "$type").json" organizations list-policies --filter "$type"
      ids=$(values organizations list-policies --filter "$type" --query 'Policies[].Id')
      for id in $ids; do
        save "$folder/describe-policy.$id.json" organizations describe-policy --policy-id "$id"
      done
    done
  done
}

context=$out/context.toml
printf 'taken_at = "%s"\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$context"
types=
# What an earlier run has collected of an organization that is another by now would be read as part of this one.
rm -f "$folder"/describe-*.json "$folder"/list-*.json
if (($# == 0)); then
  account "$(values sts get-caller-identity --query Account)"
fi
for pair in "$@"; do
  account "${pair%%=*}" --profile "${pair#*=}"
done
organization
echo "then: retrial replay LOGS --baseline $out --candidate changes.toml -o report" >&2
