-- What the subject left behind that may outlive its credentials: users, keys, passwords, trust,
-- grants, code and rules; what undoes each, by API.
-- grain:  account_id, event_id
-- reads:  subject_events, account_directory
-- params: rows
-- units:  event_time UTC; target: whom or what it is about; names: ARNs in the request; target_arn: of
-- a user or role; calls: made with a key that it made; undone_by: APIs, separated by commas
with kinds as (
    select
        known.event_source,
        known.event_name,
        known.what,
        known.undone_by
    from (
        values
            ('iam.amazonaws.com', 'CreateUser', 'a user', 'DeleteUser'),
            ('iam.amazonaws.com', 'CreateAccessKey', 'an access key', 'DeleteAccessKey'),
            ('iam.amazonaws.com', 'UpdateAccessKey', 'an access key, switched', 'DeleteAccessKey'),
            ('iam.amazonaws.com', 'CreateLoginProfile', 'a console password', 'DeleteLoginProfile'),
            ('iam.amazonaws.com', 'UpdateLoginProfile', 'a new console password', 'DeleteLoginProfile'),
            ('iam.amazonaws.com', 'CreateServiceSpecificCredential', 'a service password', 'DeleteServiceSpecificCredential'),
            ('iam.amazonaws.com', 'UploadSSHPublicKey', 'an SSH key', 'DeleteSSHPublicKey'),
            ('iam.amazonaws.com', 'UploadSigningCertificate', 'a signing certificate', 'DeleteSigningCertificate'),
            ('iam.amazonaws.com', 'EnableMFADevice', 'an MFA device', 'DeactivateMFADevice'),
            ('iam.amazonaws.com', 'DeactivateMFADevice', 'MFA switched off', 'EnableMFADevice'),
            ('iam.amazonaws.com', 'CreateRole', 'a role', 'DeleteRole'),
            ('iam.amazonaws.com', 'UpdateAssumeRolePolicy', 'who may assume a role', 'DeleteRole'),
            ('iam.amazonaws.com', 'AttachUserPolicy', 'a policy on a user', 'DetachUserPolicy,DeleteUser'),
            ('iam.amazonaws.com', 'AttachRolePolicy', 'a policy on a role', 'DetachRolePolicy,DeleteRole'),
            ('iam.amazonaws.com', 'AttachGroupPolicy', 'a policy on a group', 'DetachGroupPolicy,DeleteGroup'),
            ('iam.amazonaws.com', 'PutUserPolicy', 'an inline policy of a user', 'DeleteUserPolicy,DeleteUser'),
            ('iam.amazonaws.com', 'PutRolePolicy', 'an inline policy of a role', 'DeleteRolePolicy,DeleteRole'),
            ('iam.amazonaws.com', 'PutGroupPolicy', 'an inline policy of a group', 'DeleteGroupPolicy,DeleteGroup'),
            ('iam.amazonaws.com', 'CreatePolicyVersion', 'a policy, rewritten', 'DeletePolicyVersion,SetDefaultPolicyVersion'),
            ('iam.amazonaws.com', 'SetDefaultPolicyVersion', 'a policy, set back to another version', ''),
            ('iam.amazonaws.com', 'AddUserToGroup', 'a member of a group', 'RemoveUserFromGroup,DeleteUser'),
            ('iam.amazonaws.com', 'DeleteUserPermissionsBoundary', 'a boundary taken off', 'PutUserPermissionsBoundary'),
            ('iam.amazonaws.com', 'DeleteRolePermissionsBoundary', 'a boundary taken off', 'PutRolePermissionsBoundary'),
            ('iam.amazonaws.com', 'CreateSAMLProvider', 'an identity provider', 'DeleteSAMLProvider'),
            ('iam.amazonaws.com', 'UpdateSAMLProvider', 'an identity provider, changed', 'DeleteSAMLProvider'),
            ('iam.amazonaws.com', 'CreateOpenIDConnectProvider', 'an identity provider', 'DeleteOpenIDConnectProvider'),
            ('sts.amazonaws.com', 'GetFederationToken', 'a session that outlives its key', ''),
            ('sso.amazonaws.com', 'CreateAccountAssignment', 'access through Identity Center', 'DeleteAccountAssignment'),
            ('sso.amazonaws.com', 'CreatePermissionSet', 'a permission set', 'DeletePermissionSet'),
            ('sso.amazonaws.com', 'PutInlinePolicyToPermissionSet', 'a permission set, changed', ''),
            ('sso.amazonaws.com', 'AttachManagedPolicyToPermissionSet', 'a permission set, changed', 'DetachManagedPolicyFromPermissionSet'),
            ('sso-directory.amazonaws.com', 'CreateUser', 'a user of Identity Center', 'DeleteUser'),
            ('identitystore.amazonaws.com', 'CreateUser', 'a user of Identity Center', 'DeleteUser'),
            ('rolesanywhere.amazonaws.com', 'CreateTrustAnchor', 'a trust anchor of Roles Anywhere', 'DeleteTrustAnchor'),
            ('rolesanywhere.amazonaws.com', 'CreateProfile', 'a profile of Roles Anywhere', 'DeleteProfile'),
            ('organizations.amazonaws.com', 'CreateAccount', 'an account', ''),
            ('organizations.amazonaws.com', 'InviteAccountToOrganization', 'an account asked to join', ''),
            ('organizations.amazonaws.com', 'RegisterDelegatedAdministrator', 'a delegated administrator', 'DeregisterDelegatedAdministrator'),
            ('lambda.amazonaws.com', 'CreateFunction20150331', 'a function', 'DeleteFunction20150331'),
            ('lambda.amazonaws.com', 'UpdateFunctionCode20150331v2', 'a function, new code', 'DeleteFunction20150331'),
            ('lambda.amazonaws.com', 'UpdateFunctionConfiguration20150331v2', 'a function, new settings', 'DeleteFunction20150331'),
            ('lambda.amazonaws.com', 'AddPermission20150331v2', 'who may call a function', 'RemovePermission20150331v2'),
            ('lambda.amazonaws.com', 'CreateFunctionUrlConfig', 'a public address of a function', 'DeleteFunctionUrlConfig'),
            ('lambda.amazonaws.com', 'CreateEventSourceMapping20150331', 'what starts a function', 'DeleteEventSourceMapping20150331'),
            ('events.amazonaws.com', 'PutRule', 'a rule', 'DeleteRule,DisableRule'),
            ('events.amazonaws.com', 'PutTargets', 'what a rule starts', 'RemoveTargets,DeleteRule'),
            ('scheduler.amazonaws.com', 'CreateSchedule', 'a schedule', 'DeleteSchedule'),
            ('states.amazonaws.com', 'CreateStateMachine', 'a state machine', 'DeleteStateMachine'),
            ('codebuild.amazonaws.com', 'CreateProject', 'a build project', 'DeleteProject'),
            ('cloudformation.amazonaws.com', 'CreateStack', 'a stack', 'DeleteStack'),
            ('cloudformation.amazonaws.com', 'CreateStackSet', 'a stack set', 'DeleteStackSet'),
            ('ec2.amazonaws.com', 'RunInstances', 'machines', 'TerminateInstances'),
            ('ec2.amazonaws.com', 'ModifyInstanceAttribute', 'a machine, changed', 'TerminateInstances'),
            ('ec2.amazonaws.com', 'AssociateIamInstanceProfile', 'a role on a machine', 'DisassociateIamInstanceProfile,TerminateInstances'),
            ('ec2.amazonaws.com', 'ReplaceIamInstanceProfileAssociation', 'another role on a machine', 'DisassociateIamInstanceProfile,TerminateInstances'),
            ('ec2.amazonaws.com', 'CreateKeyPair', 'a key pair', 'DeleteKeyPair'),
            ('ec2.amazonaws.com', 'ImportKeyPair', 'a key pair', 'DeleteKeyPair'),
            ('ec2.amazonaws.com', 'CreateLaunchTemplateVersion', 'a launch template, changed', 'DeleteLaunchTemplateVersions'),
            ('ec2.amazonaws.com', 'AuthorizeSecurityGroupIngress', 'a way in', 'RevokeSecurityGroupIngress,DeleteSecurityGroup'),
            ('ec2.amazonaws.com', 'CreateVpcPeeringConnection', 'a network path', 'DeleteVpcPeeringConnection'),
            ('ssm.amazonaws.com', 'CreateActivation', 'machines from outside', 'DeleteActivation'),
            ('ssm.amazonaws.com', 'CreateAssociation', 'commands that run again', 'DeleteAssociation'),
            ('ssm.amazonaws.com', 'CreateDocument', 'a document of commands', 'DeleteDocument'),
            ('glue.amazonaws.com', 'CreateDevEndpoint', 'a development endpoint', 'DeleteDevEndpoint'),
            ('sagemaker.amazonaws.com', 'CreateNotebookInstance', 'a notebook instance', 'DeleteNotebookInstance'),
            ('sagemaker.amazonaws.com', 'CreateNotebookInstanceLifecycleConfig', 'what a notebook runs at start', 'DeleteNotebookInstanceLifecycleConfig'),
            ('s3.amazonaws.com', 'PutBucketPolicy', 'who may use a bucket', 'DeleteBucketPolicy,DeleteBucket'),
            ('s3.amazonaws.com', 'PutBucketAcl', 'who may use a bucket', 'DeleteBucket'),
            ('s3.amazonaws.com', 'PutBucketReplication', 'copies to another bucket', 'DeleteBucketReplication,DeleteBucket'),
            ('kms.amazonaws.com', 'CreateGrant', 'a grant on a key', 'RevokeGrant,RetireGrant'),
            ('kms.amazonaws.com', 'PutKeyPolicy', 'who may use a key', ''),
            ('secretsmanager.amazonaws.com', 'PutResourcePolicy', 'who may read a secret', 'DeleteResourcePolicy'),
            ('sns.amazonaws.com', 'AddPermission', 'who may use a topic', 'RemovePermission'),
            ('sqs.amazonaws.com', 'AddPermission', 'who may use a queue', 'RemovePermission'),
            ('ecr.amazonaws.com', 'SetRepositoryPolicy', 'who may use a repository', 'DeleteRepositoryPolicy')
    ) as known (event_source, event_name, what, undone_by)
),
made as (
    select
        subject_events.account_id,
        subject_events.event_id,
        subject_events.event_time,
        subject_events.event_source,
        subject_events.event_name,
        kinds.what,
        kinds.undone_by,
        case
            when subject_events.event_name = 'CreateAccessKey'
                then regexp_extract(subject_events.response_elements, '"accessKeyId"\s*:\s*"([^"\\]+)"', 1)
            when subject_events.event_name = 'RunInstances'
                then regexp_extract(subject_events.response_elements, '"instanceId"\s*:\s*"([^"\\]+)"', 1)
            else regexp_extract(
                subject_events.request_parameters,
                '"(?:accessKeyId|userName|roleName|groupName|functionName|policyArn|instanceId|bucketName|keyName|keyId|groupId|secretId|projectName|stackName|stackSetName|repositoryName|topicArn|queueUrl|name|rule|targetId)"\s*:\s*"([^"\\]+)"',
                1
            )
        end as target,
        case
            when subject_events.event_source = 'iam.amazonaws.com' then coalesce(
                nullif(
                    regexp_extract(
                        subject_events.response_elements, '"arn"\s*:\s*"(arn:[^"\\]+:(?:user|role)/[^"\\]+)"', 1
                    ),
                    ''
                ),
                'arn:' || split_part(coalesce(subject_events.principal_arn, 'arn:aws:'), ':', 2)
                || ':iam::' || subject_events.account_id || ':'
                || nullif(
                    regexp_replace(
                        regexp_extract(
                            subject_events.request_parameters, '"(userName|roleName)"\s*:\s*"[^"\\]+"', 0
                        ),
                        '^"(user|role)Name"\s*:\s*"([^"]+)"$',
                        '\1/\2'
                    ),
                    ''
                )
            )
        end as target_arn,
        array_to_string(
            list_sort(
                list_distinct(
                    regexp_extract_all(subject_events.request_parameters, 'arn:aws[a-z-]*:[^"\\ ]+')
                )
            )[1:5],
            ', '
        ) as names,
        coalesce(subject_events.principal_arn, subject_events.actor) as principal,
        subject_events.session_id
    from subject_events
    inner join kinds
        on kinds.event_source = subject_events.event_source
        and kinds.event_name = subject_events.event_name
    where not subject_events.is_error
)
select
    made.event_time,
    made.what,
    made.event_name,
    nullif(made.target, '') as target,
    nullif(made.names, '') as names,
    made.account_id,
    account_directory.account_name,
    made.principal,
    made.session_id,
    made.target_arn,
    made.undone_by,
    made.event_source,
    (
        select count(*)
        from subject_events
        where made.event_name = 'CreateAccessKey'
          and subject_events.session_id = made.target
    ) as calls,
    made.event_id,
    count(*) over () as found
from made
left join account_directory
    on account_directory.account_id = made.account_id
order by made.event_time, made.event_id
limit $rows
