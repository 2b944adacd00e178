# Consumers of OAuth 1.0a made of Debian's ruby-oauth. How it talks with the
# test is in node/talk.mjs.
require 'json'
require 'oauth'
require 'oauth/signature/rsa/sha1'

$stdout.sync = true

SCHEMES = { 'header' => :header, 'body' => :body, 'query' => :query_string }.freeze

def write(message)
  puts JSON.generate(message)
end

def flow(c, place, secrets)
  consumer = OAuth::Consumer.new(
    c['key'], c['privateKey'].empty? ? c['secret'] : OpenSSL::PKey::RSA.new(c['privateKey']),
    request_token_url: c['requestToken'], authorize_url: c['authorize'], access_token_url: c['accessToken'],
    site: c['requestToken'][%r{\Ahttps?://[^/]+}], scheme: SCHEMES[place], signature_method: c['method']
  )
  request = consumer.get_request_token(oauth_callback: c['callback'])
  raise 'not confirmed' unless request.callback_confirmed?

  write('open' => request.authorize_url)
  callback = URI.decode_www_form(URI(JSON.parse($stdin.gets)['callback']).query).to_h
  access = request.get_access_token(oauth_verifier: callback['oauth_verifier'])
  secrets << access.secret
  posted = access.post(c['resource'], { 'name' => 'a b!', 'empty' => '', 'plus' => '+~' })
  raise posted.body unless posted.code == '200'

  if place != 'body'
    got = access.get("#{c['resource']}?name=a%20b%21&empty=&plus=%2B")
    raise got.body unless got.code == '200'
  end
  refused(OAuth::AccessToken.new(consumer, access.token, 'wrong'), c) if c['privateKey'].empty?
  JSON.parse(posted.body)['sub']
end

def refused(token, c)
  token.post(c['resource'], { 'name' => 'x' })
  raise 'a wrong secret is taken'
rescue OAuth::Problem => e
  raise unless e.problem == 'signature_invalid'
end

write('flows' => ['HMAC-SHA1, header', 'HMAC-SHA1, body', 'HMAC-SHA1, query', 'RSA-SHA1, header'])
while (line = $stdin.gets)
  call = JSON.parse(line)
  secrets = []
  begin
    write('done' => { 'subject' => flow(call['consumer'], call['flow'].split(', ')[1], secrets), 'secrets' => secrets })
  rescue StandardError => e
    write('failed' => e.full_message(highlight: false))
  end
end
