# To undo run ezr6m3n4df (connector-exhaustion) by hand, as of 2025-09-16T03:47:52.14683667Z.
# Read each line before you run it: the cloud may have moved since, and nothing here looks.

# symptom

# soak

# deploy-backend/shift-100
gcloud run services update-traffic netra-backend-staging --to-revisions='netra-backend-staging-00003-nkl=50,netra-backend-staging-00750-69k=50' --region=us-central1 --project=netra-staging

# deploy-backend/shift-50
gcloud run services update-traffic netra-backend-staging --to-revisions='netra-backend-staging-00750-69k=90,netra-backend-staging-00003-nkl=10' --region=us-central1 --project=netra-staging

# deploy-backend/shift-10
gcloud run services update-traffic netra-backend-staging --to-revisions='netra-backend-staging-00750-69k=100' --region=us-central1 --project=netra-staging

# deploy-backend/candidate
gcloud run services update-traffic netra-backend-staging --to-revisions='' --region=us-central1 --project=netra-staging

# deploy-backend/revision
gcloud run services update netra-backend-staging --image=us-central1-docker.pkg.dev/netra-staging/apps/backend@sha256:7500000000000000000000000000000000000000000000000000000000000750 --region=us-central1 --project=netra-staging

# deploy-auth/traffic
gcloud run services update-traffic netra-auth-staging --to-revisions='netra-auth-staging-00117-vjz=100' --region=us-central1 --project=netra-staging

# deploy-auth
gcloud run services update netra-auth-staging --image=us-central1-docker.pkg.dev/netra-staging/apps/auth@sha256:1170000000000000000000000000000000000000000000000000000000000117 --region=us-central1 --project=netra-staging

# deploy-auth/follow
gcloud run services update-traffic netra-auth-staging --to-latest --region=us-central1 --project=netra-staging

# one-revision
gcloud run services update-traffic netra-backend-staging --to-revisions='netra-backend-staging-00749-6tr=50,netra-backend-staging-00750-69k=50' --region=us-central1 --project=netra-staging

# scale-connector
# it cannot be undone
