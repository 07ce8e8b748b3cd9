from ecr_publish.secret import Secret, SecretFile


def test_s3_secret__value_is_in_no_repr() -> None:
    shown = repr(Secret(id="npm", variable="ECR_PUBLISH_SECRET_1", value="hunter2"))
    assert shown == "Secret(id='npm', variable='ECR_PUBLISH_SECRET_1')"


def test_secret_file__shows_its_path() -> None:
    assert repr(SecretFile(id="npm", path="npmrc")) == "SecretFile(id='npm', path='npmrc')"
