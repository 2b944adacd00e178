<?php
// Consumers of OAuth 1.0a made of Debian's php-oauth (PECL). How it talks with
// the test is in node/talk.mjs.
declare(strict_types=1);

const PLACES = ['header' => OAUTH_AUTH_TYPE_AUTHORIZATION, 'body' => OAUTH_AUTH_TYPE_FORM, 'query' => OAUTH_AUTH_TYPE_URI];

function write(array $message): void
{
    fwrite(STDOUT, json_encode($message, JSON_UNESCAPED_SLASHES) . "\n");
}

function client(array $c, string $place): OAuth
{
    $made = new OAuth($c['key'], $c['secret'] ?: 'not used', $c['method'], PLACES[$place]);
    if ($c['privateKey'] !== '') {
        $made->setRSACertificate($c['privateKey']);
    }
    return $made;
}

function flow(array $c, string $place, array &$secrets): string
{
    $client = client($c, $place);
    $request = $client->getRequestToken($c['requestToken'], $c['callback'], OAUTH_HTTP_METHOD_POST);
    if ($request['oauth_callback_confirmed'] !== 'true') {
        throw new Exception('not confirmed');
    }
    write(['open' => $c['authorize'] . '?oauth_token=' . rawurlencode($request['oauth_token'])]);
    parse_str(parse_url(json_decode(fgets(STDIN), true)['callback'], PHP_URL_QUERY), $callback);
    $client->setToken($request['oauth_token'], $request['oauth_token_secret']);
    $access = $client->getAccessToken($c['accessToken'], '', $callback['oauth_verifier'], OAUTH_HTTP_METHOD_POST);
    $secrets[] = $access['oauth_token_secret'];
    $client->setToken($access['oauth_token'], $access['oauth_token_secret']);
    $method = $place === 'body' ? OAUTH_HTTP_METHOD_POST : OAUTH_HTTP_METHOD_GET;
    $client->fetch($c['resource'], ['name' => 'a b!', 'empty' => '', 'plus' => '+~'], $method);
    $got = json_decode($client->getLastResponse(), true);
    if ($c['privateKey'] === '') {
        $wrong = client($c, $place);
        $wrong->setToken($access['oauth_token'], 'wrong');
        try {
            $wrong->fetch($c['resource'], ['name' => 'x'], $method);
            throw new Exception('a wrong secret is taken');
        } catch (OAuthException $e) {
            if ($e->getCode() !== 401) {
                throw $e;
            }
        }
    }
    return $got['sub'];
}

write(['flows' => ['HMAC-SHA1, header', 'HMAC-SHA1, body', 'HMAC-SHA1, query', 'HMAC-SHA256, header', 'RSA-SHA1, header']]);
while (($line = fgets(STDIN)) !== false) {
    $call = json_decode($line, true);
    $secrets = [];
    try {
        write(['done' => ['subject' => flow($call['consumer'], explode(', ', $call['flow'])[1], $secrets), 'secrets' => $secrets]]);
    } catch (Throwable $e) {
        write(['failed' => $e . (isset($e->lastResponse) ? "\n" . $e->lastResponse : '')]);
    }
}
